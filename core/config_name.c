#include "core/config_name.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define DOMAIN_MAX     255
#define NAME_BYTES_MAX 63
#define CHARSET_MAX    40
#define LABEL_MAX      63
#define LOCAL_PART_MAX 64

static bool is_letter_or_digit(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9');
}

bool config_is_name(const char *text)
{
	size_t size = 0;

	for (const char *at = text; *at != '\0'; at++, size++)
		if (!is_letter_or_digit(*at) && *at != '-' && *at != '_' && *at != '.')
			return false;
	return size > 0 && size <= NAME_BYTES_MAX;
}

bool config_is_domain(const char *text)
{
	size_t label = 0;

	if (strlen(text) > DOMAIN_MAX)
		return false;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '.') {
			if (label == 0 || at[-1] == '-')
				return false;
			label = 0;
		} else if (is_letter_or_digit(*at) || (*at == '-' && label > 0)) {
			if (++label > LABEL_MAX)
				return false;
		} else {
			return false;
		}
	}
	return label > 0 && text[strlen(text) - 1] != '-';
}

bool config_is_literal(const char *text)
{
	static const char v6_tag[] = "IPv6:";
	char inside[64];
	size_t size = strlen(text);
	struct in6_addr address;

	if (size < 3 || size - 2 >= sizeof(inside) || text[0] != '[' || text[size - 1] != ']')
		return false;
	memcpy(inside, text + 1, size - 2);
	inside[size - 2] = '\0';
	if (strncmp(inside, v6_tag, strlen(v6_tag)) == 0)
		return inet_pton(AF_INET6, inside + strlen(v6_tag), &address) == 1;
	return inet_pton(AF_INET, inside, &address) == 1;
}

bool config_is_mailbox(const char *text)
{
	static const char specials[] = "\"(),:;<>@[\\] ";
	const char *at = strrchr(text, '@');

	if (at == NULL || at == text || at - text > LOCAL_PART_MAX)
		return false;
	for (const char *c = text; c < at; c++)
		if (*c <= ' ' || *c > '~' || strchr(specials, *c) != NULL)
			return false;
	return config_is_domain(at + 1) || config_is_literal(at + 1);
}

/* RFC 2978 2.3, without what would have to be quoted somewhere. */
bool config_is_charset(const char *text)
{
	size_t size = 0;

	for (const char *at = text; *at != '\0'; at++, size++)
		if (!is_letter_or_digit(*at) && strchr("-_.:+", *at) == NULL)
			return false;
	return size > 0 && size <= CHARSET_MAX;
}

bool config_is_pattern(const char *text)
{
	if (strcmp(text, "*") == 0)
		return true;
	return config_is_domain(strncmp(text, "*.", 2) == 0 ? text + 2 : text);
}
