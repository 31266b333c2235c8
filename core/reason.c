#include "core/reason.h"

#include <stdarg.h>
#include <stdio.h>

int reason_set(struct reason *reason, const char *format, ...)
{
	va_list args;

	if (reason == NULL)
		return -1;
	va_start(args, format);
	vsnprintf(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	return -1;
}
