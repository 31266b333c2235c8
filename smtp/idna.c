#include "smtp/idna.h"

#include <idn2.h>
#include <string.h>

#define UTF8_BYTES 512

enum idna_fault idna_make_ascii(const char *domain, size_t size, char ascii[IDNA_DOMAIN_BYTES + 1])
{
	char utf8[UTF8_BYTES];
	char *made;

	if (size >= sizeof(utf8))
		return IDNA_TOO_LONG;
	memcpy(utf8, domain, size);
	utf8[size] = '\0';
	if (strlen(utf8) != size ||
		idn2_to_ascii_8z(utf8, &made, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return IDNA_NO_DOMAIN;
	size = strlen(made);
	if (size <= IDNA_DOMAIN_BYTES)
		memcpy(ascii, made, size + 1);
	idn2_free(made);
	return size <= IDNA_DOMAIN_BYTES ? IDNA_SOUND : IDNA_TOO_LONG;
}
