#include "smtp/device.h"

#include <string.h>

#define HIDE_NEW (DEVICE_HIDE_CHUNKING | DEVICE_HIDE_SMTPUTF8 | DEVICE_HIDE_LIMITS)
#define HIDE_ALL                                                                       \
	(HIDE_NEW | DEVICE_HIDE_PIPELINING | DEVICE_HIDE_SIZE | DEVICE_HIDE_8BITMIME | \
		DEVICE_HIDE_CODES | DEVICE_HIDE_STARTTLS | DEVICE_HIDE_AUTH)

/* The order is config_options.c's; names are never taken back, since configurations hold them. */
/* clang-format off */
static const struct device table[] = {
	{"default", 0,
		"nothing but the leniency of the listener"},
	{"hp-mfp", DEVICE_HIDE_STARTTLS | HIDE_NEW,
		"HP multifunction printers: start TLS wherever it is offered and fail on the certificate (Q-102)"},
	{"xerox", DEVICE_HIDE_STARTTLS | DEVICE_HIDE_AUTH | HIDE_NEW,
		"Xerox copiers: insist on a login or TLS once they are offered, and fail at it (Q-101, Q-102)"},
	{"ups-card", DEVICE_SINGLE_LINE_EHLO,
		"network cards of UPSs: read one line of a reply and take the rest for the next one (Q-07)"},
	{"gsm-modem", DEVICE_SINGLE_LINE_EHLO | DEVICE_LONE_CR,
		"GSM and serial modems: end a command with CR alone and read one line (Q-07, Q-55)"},
	{"netcat-script", DEVICE_LONE_CR,
		"scripts around nc or telnet: end lines with CR alone (Q-55)"},
	{"oracle-utl", DEVICE_PLAIN_CODES,
		"PL/SQL with UTL_SMTP: compares replies with the very code and text that it expects (Q-59)"},
	{"old-firmware", DEVICE_BANNER_SMTP | DEVICE_EHLO_502 | DEVICE_PLAIN_CODES,
		"firmware from before RFC 1869: says HELO only behind 502, wants plain codes (Q-05, Q-08, Q-59)"},
	{"single-line-ehlo", DEVICE_SINGLE_LINE_EHLO,
		"EHLO is answered by one line (Q-07)"},
	{"ehlo-502", DEVICE_EHLO_502,
		"EHLO is refused with 502, so that the client says HELO (Q-08)"},
	{"plain-codes", DEVICE_PLAIN_CODES,
		"replies without enhanced codes, 250 for each other 25x (Q-59)"},
	{"smtp-banner", DEVICE_BANNER_SMTP,
		"the banner says SMTP, not ESMTP (Q-05)"},
	{"no-extensions", HIDE_ALL,
		"EHLO is answered by several lines, none of which offers anything that the client could get wrong"},
	{"no-auth", DEVICE_HIDE_AUTH,
		"AUTH is not offered, as the client would insist on it without an account (Q-101)"},
	{"auth-equals", DEVICE_AUTH_EQUALS,
		"AUTH is offered as AUTH= too, which is all that old Outlook and Outlook Express read (Q-89)"},
};
/* clang-format on */

const struct device *device_at(size_t number)
{
	return number < sizeof(table) / sizeof(table[0]) ? &table[number] : NULL;
}

const struct device *device_find(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

unsigned device_trait_quirk(enum device_trait trait)
{
	switch (trait) {
	case DEVICE_BANNER_SMTP:
		return QUIRK_BANNER_WORD;
	case DEVICE_SINGLE_LINE_EHLO:
		return QUIRK_SINGLE_LINE_EHLO;
	case DEVICE_EHLO_502:
		return QUIRK_EHLO_502;
	case DEVICE_PLAIN_CODES:
		return QUIRK_PLAIN_CODES;
	case DEVICE_AUTH_EQUALS:
		return QUIRK_AUTH_EQUALS;
	default:
		return 0;
	}
}
