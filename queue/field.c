#include "queue/field.h"

#include <string.h>

#include "core/ascii.h"

static const struct name_row {
	const char *name;
	enum field_kind kind;
} names[] = {
	{"from", FIELD_FROM},
	{"to", FIELD_ADDRESSES},
	{"cc", FIELD_ADDRESSES},
	{"bcc", FIELD_BCC},
	{"reply-to", FIELD_ADDRESSES},
	{"sender", FIELD_ADDRESSES},
	{"resent-from", FIELD_ADDRESSES},
	{"resent-to", FIELD_ADDRESSES},
	{"resent-cc", FIELD_ADDRESSES},
	{"resent-bcc", FIELD_BCC},
	{"resent-sender", FIELD_ADDRESSES},
	{"resent-reply-to", FIELD_ADDRESSES},
	{"date", FIELD_DATE},
	{"message-id", FIELD_MESSAGE_ID},
	{"content-type", FIELD_CONTENT_TYPE},
	{"content-transfer-encoding", FIELD_CONTENT_ENCODING},
	{"content-disposition", FIELD_CONTENT_OTHER},
	{"mime-version", FIELD_MIME_VERSION},
	{"dkim-signature", FIELD_DKIM},
	{"auto-submitted", FIELD_AUTO_SUBMITTED},
	{"precedence", FIELD_PRECEDENCE},
	{"list-unsubscribe", FIELD_LIST_UNSUBSCRIBE},
	{"references", FIELD_TOKENS},
	{"in-reply-to", FIELD_TOKENS},
	{"received", FIELD_TOKENS},
	{"return-path", FIELD_TOKENS},
	{"resent-date", FIELD_TOKENS},
	{"resent-message-id", FIELD_TOKENS},
	{"content-id", FIELD_TOKENS},
	{"authentication-results", FIELD_TOKENS},
};

enum field_kind field_kind(const void *name, size_t size)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (ascii_equals(name, size, names[i].name))
			return names[i].kind;
	if (ascii_begins(name, size, "list-") || ascii_begins(name, size, "arc-"))
		return FIELD_TOKENS;
	return FIELD_UNSTRUCTURED;
}

size_t field_name_size(const void *line, size_t size)
{
	const unsigned char *bytes = line;
	size_t name = 0, colon;

	while (name < size && bytes[name] > ' ' && bytes[name] < 0x7f && bytes[name] != ':')
		name++;
	for (colon = name; colon < size && (bytes[colon] == ' ' || bytes[colon] == '\t');)
		colon++;
	return colon < size && bytes[colon] == ':' ? name : 0;
}
