#include "queue/quirk.h"

#include <stdlib.h>
#include <string.h>

static const struct quirk_row table[QUIRK_COUNT] = {
	/* connection and banner */
	[QUIRK_EARLY_TALKER] = {"talks before the banner", QUIRK_AT_CONNECTION, QUIRK_HANDLED,
		"What comes before the banner is kept and answered in order.",
		"Let the program wait for our 220 before it sends anything."},
	[QUIRK_TLS_TO_PLAIN_PORT] = {"TLS to a plaintext port", QUIRK_AT_CONNECTION, QUIRK_HANDLED,
		"TLS begins if it comes before the banner, else the connection ends at once, and "
		"the banner waits a moment for TLS from then on.",
		"Set the device to STARTTLS, or to the port with implicit TLS."},
	[QUIRK_PLAIN_TO_TLS_PORT] = {"plaintext to a TLS port", QUIRK_AT_CONNECTION, QUIRK_HANDLED,
		"Who says nothing for three seconds, or no TLS, gets a banner in clear.",
		"Set the device to port 25 or 587, or switch implicit TLS on."},
	[QUIRK_BANNER_LINES] = {"wants a banner of one line", QUIRK_AT_CONNECTION, QUIRK_MET,
		"The banner is always one line.", NULL},
	[QUIRK_BANNER_WORD] = {"wants another word in the banner", QUIRK_AT_CONNECTION,
		QUIRK_BY_PROFILE,
		"A client profile leaves ESMTP out of the banner, so that the client says HELO.",
		"Update the firmware, if there is one that reads any 220."},
	[QUIRK_REPLY_SEGMENTS] = {"wants a reply in one segment", QUIRK_AT_CONNECTION, QUIRK_MET,
		"Each reply, that to EHLO too, leaves in one send and fits one segment.", NULL},
	[QUIRK_SINGLE_LINE_EHLO] = {"reads one line of a reply", QUIRK_AT_CONNECTION,
		QUIRK_BY_PROFILE, "A client profile answers EHLO with a single line.",
		"Set the device to HELO, if it lets you choose."},
	[QUIRK_EHLO_502] = {"says HELO only after 502", QUIRK_AT_CONNECTION, QUIRK_BY_PROFILE,
		"A client profile refuses EHLO with 502, so that the client says HELO.",
		"Set the device to HELO, if it lets you choose."},
	[QUIRK_IDLE_NOOP] = {"keeps an idle connection open", QUIRK_AT_CONNECTION, QUIRK_HANDLED,
		"NOOP and RSET cost nothing, and an idle connection stays open for ten minutes.",
		"Let the program close the connection when it has nothing to send."},
	[QUIRK_MANY_CONNECTIONS] = {"opens many connections at once", QUIRK_AT_CONNECTION,
		QUIRK_MET, "Connections over the limit wait for their turn and are not refused.",
		"Let the program send over a few connections, one message behind the other."},
	[QUIRK_RECONNECTS] = {"connects anew for every message", QUIRK_AT_CONNECTION, QUIRK_MET,
		"Each connection is taken, however fast they follow each other.",
		"Let the program send several messages over one connection."},
	[QUIRK_PREFLIGHT] = {"tries the door without a message", QUIRK_AT_CONNECTION, QUIRK_HANDLED,
		"A session that ends behind RCPT counts as a pre-flight and not as an error.",
		NULL},
	[QUIRK_VRFY_FIRST] = {"asks VRFY before RCPT", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"VRFY is always answered 252, and nothing is looked up.",
		"Switch the check of addresses off in the program."},
	[QUIRK_OLD_COMMANDS] = {"uses old commands", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"EXPN, HELP, TURN, SEND and their like get an answer and never end the session.",
		"Update the program, as these commands were given up long ago."},
	[QUIRK_OTHER_PROTOCOL] = {"speaks another protocol", QUIRK_AT_CONNECTION, QUIRK_REFUSED,
		"A request of HTTP ends the connection at once.",
		"Find out which program or scanner sends web requests to a mail port."},
	[QUIRK_XCLIENT] = {"claims to be another client", QUIRK_AT_CONNECTION, QUIRK_REFUSED,
		"XCLIENT and XFORWARD are refused with 550 and change nothing.",
		"Switch XCLIENT and XFORWARD off in the server that hands over."},
	[QUIRK_ADDRESS_CHANGES] = {"changes its address", QUIRK_AT_CONNECTION, QUIRK_MET,
		"A grant may be for an account or a client certificate instead of an address, "
		"while "
		"the ledger counts each address as a client of its own.",
		"Give the device a fixed address or a DHCP reservation."},
	[QUIRK_SHARED_ADDRESS] = {"shares an address with others", QUIRK_AT_CONNECTION, QUIRK_MET,
		"The ledger counts each HELO name of an address, so that devices behind one "
		"address can be told apart.",
		"Give each device a host name of its own."},
	[QUIRK_MAPPED_ADDRESS] = {"comes from a mapped address", QUIRK_AT_CONNECTION, QUIRK_MET,
		"An IPv4 address that is written as IPv6 counts as the IPv4 address.", NULL},
	[QUIRK_FIXED_SERVER_ADDRESS] = {"has our address built in", QUIRK_AT_CONNECTION, QUIRK_MET,
		"A listener may have any number of addresses, so an old server's address can be "
		"kept.",
		"Enter the host name of the relay instead of its address."},
	/* HELO, EHLO */
	[QUIRK_NO_HELO] = {"says no HELO", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"MAIL is taken without a greeting.", "Let the script say EHLO first."},
	[QUIRK_EMPTY_HELO] = {"HELO without a name", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"The greeting is taken, and the client's address stands for its name.",
		"Enter a host name in the network settings of the device."},
	[QUIRK_HELO_UNDERSCORE] = {"underscore in the HELO name", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"The name is taken as it is.",
		"Give the device a host name of letters, digits and hyphens."},
	[QUIRK_HELO_BARE_IP] = {"bare IP address as HELO name", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"The name is taken as it is.",
		"Enter a host name, or put the address in square brackets."},
	[QUIRK_HELO_ODD_NAME] = {"HELO name that is no full name", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"Any printable name is taken, and is escaped wherever it is shown.",
		"Give the device a full host name, as copier-3.example.edu."},
	[QUIRK_EHLO_AGAIN] = {"greets again", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"A second greeting begins anew, as RSET does.", NULL},
	[QUIRK_NO_EHLO_AFTER_TLS] = {"no EHLO after STARTTLS", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"The name that it gave before TLS is kept, and MAIL is taken.",
		"Update the firmware."},
	[QUIRK_COMMAND_BLANKS] = {"odd blanks around commands", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"Blanks and tabs around and within a command are taken for single spaces.",
		"Let the script send commands without extra blanks."},
	[QUIRK_LHLO] = {"LHLO to an SMTP port", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"LHLO is answered 502, and the session goes on.",
		"Set the program to SMTP instead of LMTP."},
	[QUIRK_STARTTLS_UNASKED] = {"STARTTLS without an offer", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"TLS begins if there is a certificate, else STARTTLS is answered 502 and the "
		"session "
		"goes on in clear.",
		"Switch STARTTLS off in the device."},
	[QUIRK_IGNORES_REPLIES] = {"does not look at replies", QUIRK_AT_GREETING, QUIRK_HANDLED,
		"All that it sends is taken in order, whether it reads the replies or not.",
		"Let the script read each reply, or it cannot know whether its message was taken."},
	/* MAIL, RCPT, order */
	[QUIRK_NO_BRACKETS] = {"address without angle brackets", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The bare address is taken.", "Let the program write MAIL FROM:<address>."},
	[QUIRK_SPACE_AFTER_COLON] = {"space behind the colon", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The space is passed over.",
		"Let the program write MAIL FROM:<address> without a space."},
	[QUIRK_NO_COLON] = {"no colon behind FROM or TO", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The address is taken without it.", "Let the program write MAIL FROM:<address>."},
	[QUIRK_DISPLAY_NAME] = {"display name in the envelope", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The name is dropped, and the address in the last angle brackets counts.",
		"Enter a bare address as sender and recipient, without a name."},
	[QUIRK_EXCESS_BRACKETS] = {"excess brackets, quotes or mailto:", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED, "What surrounds the address is stripped.",
		"Enter the bare address in the settings of the program."},
	[QUIRK_ODD_DOTS] = {"dots where none may stand", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"A dot behind the domain is dropped, and a local part with odd dots is quoted for "
		"the upstream host.",
		"Correct the address in the settings of the device."},
	[QUIRK_UNQUALIFIED] = {"address without a domain", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The domain that is configured for the client is added.",
		"Enter a complete address with its domain."},
	[QUIRK_NUMERIC_SENDER] = {"sender at an IP address or localhost", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED,
		"The mailbox of the client's grant stands instead, in the header too, while "
		"without "
		"one the sender is passed on as it is and other servers may refuse it.",
		"Enter a sender address of a real domain."},
	[QUIRK_UNASKED_PIPELINING] = {"sends ahead without permission", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED,
		"Commands that come before their turn are kept and answered in order.",
		"Let the script wait for each reply."},
	[QUIRK_DOT_AND_QUIT] = {"final dot and QUIT in one packet", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED, "The message is answered first and QUIT behind it.", NULL},
	[QUIRK_EMPTY_LINES] = {"empty lines between commands", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"Empty lines are passed over without a reply.",
		"Let the script send one line end behind each line."},
	[QUIRK_UNKNOWN_PARAMETERS] = {"unknown parameters of MAIL or RCPT", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED, "Parameters that are not known are passed over.",
		"Let the program use only what our reply to EHLO offers."},
	[QUIRK_RCPT_LIST] = {"several recipients in one RCPT", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The list is split, and each recipient counts.",
		"Let the program send one RCPT for each recipient."},
	[QUIRK_SAME_RECIPIENT] = {"the same recipient again", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The recipient is answered with 250 and gets one copy.",
		"Take doubled entries out of the address book."},
	[QUIRK_AFTER_REFUSAL] = {"goes on after a refusal", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"What follows a refused command is refused truthfully, and a message that comes "
		"all the same is read and dropped.",
		"Let the program stop when a sender or recipient is refused."},
	[QUIRK_MANY_RECIPIENTS] = {"more recipients than the limit", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED,
		"More recipients than the limit are taken, and the message is split for the "
		"upstream hosts.",
		"Use a mailing list for large groups."},
	[QUIRK_SOURCE_ROUTE] = {"source route", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The route is stripped and the last address counts, while relaying by percent sign "
		"or bang is refused.",
		"Enter the plain address of the recipient."},
	[QUIRK_EIGHTBIT_ADDRESS] = {"8-bit address", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"An international domain is taken in its ASCII form, while an 8-bit local part is "
		"refused for good.",
		"Use addresses of ASCII letters."},
	[QUIRK_NULL_SENDER] = {"no sender", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"The mailbox of the client's grant stands instead where the grant says so, but for "
		"reports and automatic mail, and else nobody can be told when delivery fails.",
		"Enter a sender address in the device."},
	[QUIRK_SECOND_MAIL] = {"MAIL again without RSET", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"A second MAIL begins anew.", NULL},
	[QUIRK_EXTRA_ARGUMENTS] = {"arguments where none belong", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"Arguments of DATA, RSET, NOOP and QUIT are passed over.", NULL},
	[QUIRK_LONG_COMMAND] = {"command line too long", QUIRK_AT_ENVELOPE, QUIRK_HANDLED,
		"Lines of up to 4096 bytes are taken.",
		"Let the program keep commands within 512 bytes."},
	[QUIRK_COMMAND_LINE_ENDS] = {"wrong line ends of commands", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED,
		"A lone LF ends a command and NULs are dropped, and with a client profile so does "
		"a lone CR.",
		"Let the script end each line with CR LF."},
	[QUIRK_TELNET] = {"telnet negotiation, or bytes of no command", QUIRK_AT_ENVELOPE,
		QUIRK_HANDLED, "They are answered 500 and never end the session at once.",
		"Use a program that speaks plain TCP instead of telnet."},
	[QUIRK_SLOW_COMMANDS] = {"types slowly", QUIRK_AT_ENVELOPE, QUIRK_MET,
		"A command may take ten minutes to arrive, however busy the relay is.", NULL},
	[QUIRK_SHORT_PATIENCE] = {"gives up quickly", QUIRK_AT_CONNECTION, QUIRK_MET,
		"Nothing that takes long stands between a command and its reply.",
		"Set the device's time-out as high as it goes."},
	[QUIRK_PLAIN_CODES] = {"wants plain reply codes", QUIRK_AT_ENVELOPE, QUIRK_BY_PROFILE,
		"A client profile leaves enhanced codes out and says 250 for every success.",
		"Update the firmware, if there is one that reads any reply that begins with 2."},
	[QUIRK_FATAL_4XX] = {"gives up after any 4xx", QUIRK_AT_ENVELOPE, QUIRK_MET,
		"No trouble of the relay or behind it is answered 4xx, but for a store that stays "
		"full for minutes.",
		"Let the program try again after a reply that begins with 4."},
	/* DATA and content */
	[QUIRK_LONE_LF] = {"lone LF as line end", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"Each becomes CR LF.", "Let the program end each line with CR LF."},
	[QUIRK_LF_DOT] = {"final dot between lone LFs", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"It ends the message only if all lines so far ended in a lone LF and nothing is "
		"sent behind it.",
		"Let the program end its text with CR LF, a dot, CR LF."},
	[QUIRK_LONE_CR] = {"lone CR in the text", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"Each becomes CR LF.", "Let the program end each line with CR LF."},
	[QUIRK_NO_STUFFING] = {"does not double leading dots", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"Lines of text that follow a dot by mistake are refused with 500, and after many "
		"of them the connection ends.",
		"Let the program put a second dot before each line that begins with a dot, or the "
		"text behind such a line is lost."},
	[QUIRK_NO_FINAL_DOT] = {"no final dot", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"What came is kept and held, never sent by itself, and shown to the operator.",
		"Check the network, the time-out of the device and its firmware."},
	[QUIRK_GONE_AFTER_DOT] = {"gone before the reply to the dot", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"The message is kept and delivered, and the same one sent again is recognised.",
		"Set the device's time-out as high as it goes."},
	[QUIRK_NO_QUIT] = {"no QUIT", QUIRK_AT_CONNECTION, QUIRK_HANDLED,
		"The end of the connection counts as QUIT.", NULL},
	[QUIRK_WAITS_FOR_221] = {"waits for the reply to QUIT", QUIRK_AT_CONNECTION, QUIRK_MET,
		"The reply to QUIT always leaves before the connection is closed.", NULL},
	[QUIRK_LONG_LINES] = {"lines too long", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"Over-long lines are folded or encoded anew, and nothing is cut.",
		"Let the program break lines before 998 bytes."},
	[QUIRK_EIGHTBIT_BODY] = {"8-bit text without MIME", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"MIME-Version, a charset and an encoding are added.",
		"Set the program to UTF-8 with MIME header fields."},
	[QUIRK_NUL] = {"NUL bytes", QUIRK_AT_TEXT, QUIRK_HANDLED, "They are taken out.",
		"Update the program, as NULs in a text are a bug of it."},
	[QUIRK_NO_MESSAGE_ID] = {"no Message-ID", QUIRK_AT_TEXT, QUIRK_HANDLED, "One is added.",
		NULL},
	[QUIRK_DATE] = {"no Date, or an impossible one", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"A true one is written, and what was there is kept as X-Original-Date.",
		"Set the clock of the device, best by NTP."},
	[QUIRK_FROM] = {"no From, or a broken one", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"It is made from the mailbox of the client's grant, or else from the sender of the "
		"envelope and the configured domain.",
		"Enter a complete sender address in the device."},
	[QUIRK_EIGHTBIT_HEADER] = {"raw 8-bit header fields", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"They are encoded as RFC 2047 says, in the charset that is configured for the "
		"client.",
		"Use plain ASCII in names and subjects, or update the program."},
	[QUIRK_NO_HEADER] = {"no header, or no blank line behind it", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"A header or the blank line is added.",
		"Let the script send From, To and Subject, then an empty line, then the text."},
	[QUIRK_MBOX_FROM] = {"mbox line at the top", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"The line that begins with From and a space is taken out.",
		"Let the script leave out the first line of the mailbox file."},
	[QUIRK_LONG_HEADER] = {"header field too long", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"It is folded, and nothing is cut.", "Use a mailing list for large groups."},
	[QUIRK_BCC] = {"Bcc in the header", QUIRK_AT_TEXT, QUIRK_HANDLED, "The field is taken out.",
		"Let the program leave Bcc out of the text that it sends."},
	[QUIRK_BROKEN_MIME] = {"broken MIME structure", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"The text is passed on as it is and marked.",
		"Update the firmware, as readers may not find the attachment."},
	[QUIRK_BDAT] = {"BDAT used wrongly", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"The text is taken all the same, and a missing last line end is added.",
		"Switch CHUNKING off in the program."},
	[QUIRK_SLOW_TEXT] = {"sends its text slowly", QUIRK_AT_TEXT, QUIRK_MET,
		"A text may pause for ten minutes, and a minimum rate applies only when "
		"connections run short.",
		"Scan in a lower resolution, or check the network."},
	[QUIRK_WRONG_SIZE] = {"wrong SIZE", QUIRK_AT_TEXT, QUIRK_HANDLED, "The true size counts.",
		NULL},
	[QUIRK_OVERSIZE] = {"message too large", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"It is read to its end, dropped, and refused once for good; the grant's owner is "
		"told.",
		"Scan in a lower resolution or fewer pages at a time, or ask for a higher limit."},
	[QUIRK_RESEND] = {"sends the same message again", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"A copy that follows a lost reply is answered 250 and not delivered twice.",
		"Set the device's time-out as high as it goes."},
	[QUIRK_LOOP] = {"automatic answers that may loop", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"A message that has passed too many servers is refused, our own reports have no "
		"sender and are marked as automatic, so that nothing answers them, and those of a "
		"device go to its owner.",
		"Switch automatic answers off in the device."},
	[QUIRK_SAME_MESSAGE_ID] = {"the same Message-ID for all messages", QUIRK_AT_TEXT,
		QUIRK_HANDLED,
		"A repeated Message-ID of another text is replaced by a new one, and the old one "
		"is kept beside it.",
		"Update the firmware, as others drop messages whose Message-ID they know."},
	[QUIRK_EMPTY_CHARSET] = {"empty charset", QUIRK_AT_TEXT, QUIRK_HANDLED,
		"A charset is filled in.", "Set the program to UTF-8."},
	/* AUTH and TLS */
	[QUIRK_AUTH_EQUALS] = {"wants AUTH= in the reply to EHLO", QUIRK_AT_LOGIN, QUIRK_BY_PROFILE,
		"With the profile auth-equals AUTH stands in the reply to EHLO in both ways.",
		"Update the program."},
	[QUIRK_LOGIN_PROMPTS] = {"wants the usual words of AUTH LOGIN", QUIRK_AT_LOGIN, QUIRK_MET,
		"The prompts are the very bytes that devices compare them with.", NULL},
	[QUIRK_LOGIN_NAME_AT_ONCE] = {"sends its name along with AUTH LOGIN", QUIRK_AT_LOGIN,
		QUIRK_MET, "The name is taken, and only the password is asked for.", NULL},
	[QUIRK_PLAIN_PROMPT] = {"wants 334 and a space", QUIRK_AT_LOGIN, QUIRK_MET,
		"AUTH PLAIN alone is answered 334 and a space.", NULL},
	[QUIRK_PLAIN_FIELDS] = {"odd fields in AUTH PLAIN", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"A name that is said twice and NULs that are missing or too many are taken.",
		"Leave the authorisation name empty in the program."},
	[QUIRK_CRAM_MD5] = {"picks CRAM-MD5 and fails", QUIRK_AT_LOGIN, QUIRK_MET,
		"CRAM-MD5 is not offered.", "Set the device to PLAIN or LOGIN."},
	[QUIRK_NTLM] = {"knows only NTLM or GSSAPI", QUIRK_AT_LOGIN, QUIRK_MET,
		"Neither is offered, and a client that tries is answered 504.",
		"Set the program to PLAIN or LOGIN, or to no login."},
	[QUIRK_AUTH_UNASKED] = {"AUTH without an offer", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"Over TLS it is taken, behind HELO too; else it is refused, and a client that goes "
		"on without it is served.",
		"Switch the login off in the device."},
	[QUIRK_AUTH_IN_CLEAR] = {"AUTH in clear", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"Where the listener lets devices, an account whose grant says so may log in "
		"without TLS.",
		"Switch TLS on in the device, or the login off."},
	[QUIRK_AUTH_AGAIN] = {"AUTH again after a failure", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"Three tries are looked at, and from then on the network of the client decides.",
		"Correct the password in the device."},
	[QUIRK_AUTH_MUST] = {"cannot do without a login", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"Where its grant says so any login is answered 235 and means nothing.",
		"Look for a setting without a login in the menu."},
	[QUIRK_SHORT_PASSWORDS] = {"cannot hold a long password", QUIRK_AT_LOGIN, QUIRK_MET,
		"A password may be short, and each device has an account of its own.", NULL},
	[QUIRK_AUTH_INSISTED] = {"insists on AUTH where it is offered", QUIRK_AT_LOGIN,
		QUIRK_BY_PROFILE, "With the profile no-auth AUTH is not offered to it.",
		"Give the device an account."},
	[QUIRK_TLS_FAILS] = {"starts TLS and fails", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"After two failures in a row STARTTLS is not offered to it any more, and the "
		"operator is told.",
		"Switch TLS off in the device, or install the certificate of the authority in it."},
	[QUIRK_OLD_TLS] = {"knows only old TLS", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"A listener with a lower min_tls takes it, with ciphers and a certificate of its "
		"own.",
		"Update the firmware."},
	[QUIRK_SIMPLE_CERTIFICATE] = {"cannot check modern certificates", QUIRK_AT_LOGIN, QUIRK_MET,
		"Certificates with RSA and with ECDSA keys stand side by side, and who names no "
		"host gets the first of each.",
		"Update the firmware."},
	[QUIRK_CERTIFICATE_BY_ADDRESS] = {"checks the certificate against an IP address",
		QUIRK_AT_LOGIN, QUIRK_MET,
		"A certificate that names the address is shown as any other.",
		"Enter the host name of the relay instead of its address."},
	[QUIRK_RESUMPTION] = {"fails to resume TLS sessions", QUIRK_AT_LOGIN, QUIRK_MET,
		"A listener with a min_tls below 1.2 gives out no session tickets.",
		"Update the firmware."},
	[QUIRK_NO_CLOSE_NOTIFY] = {"ends TLS without a word", QUIRK_AT_LOGIN, QUIRK_MET,
		"The end of the connection is enough.", NULL},
	[QUIRK_STARTTLS_INJECTION] = {"commands in clear behind STARTTLS", QUIRK_AT_LOGIN,
		QUIRK_REFUSED, "They are dropped unread, and the operator is told.",
		"Find out who changes the connection, as this is how one is attacked."},
	[QUIRK_NO_LOGIN] = {"port 587 without a login", QUIRK_AT_LOGIN, QUIRK_HANDLED,
		"Where a login is required, a client with a grant is served without one.",
		"Set the device to port 25."},
	[QUIRK_OLD_CLIENT_CERTIFICATE] = {"outdated client certificate", QUIRK_AT_LOGIN, QUIRK_MET,
		"Its fingerprint counts, and neither its date nor who signed it.",
		"Renew the certificate of the device."},
};

const struct quirk_row *quirk_row(unsigned number)
{
	return number < QUIRK_COUNT && table[number].name != NULL ? &table[number] : NULL;
}

unsigned quirk_set_next(const struct quirk_set *set, unsigned after)
{
	unsigned from = after + 1, word = from / 64;
	uint64_t bits;

	if (word >= QUIRK_WORDS)
		return 0;
	bits = set->bits[word] & UINT64_MAX << from % 64;
	while (bits == 0 && ++word < QUIRK_WORDS)
		bits = set->bits[word];
	return bits != 0 ? word * 64 + (unsigned)__builtin_ctzll(bits) : 0;
}

/* "Q-07", "Q-33", "Q-110": of each message, so without printf. */
static char *put_number(char *out, unsigned number)
{
	*out++ = 'Q';
	*out++ = '-';
	if (number >= 100)
		*out++ = (char)('0' + number / 100);
	*out++ = (char)('0' + number / 10 % 10);
	*out++ = (char)('0' + number % 10);
	return out;
}

char *quirk_set_format(const struct quirk_set *set, char *out)
{
	char *at = out;

	for (unsigned number = 0; (number = quirk_set_next(set, number)) != 0;) {
		if (at > out)
			*at++ = ' ';
		at = put_number(at, number);
	}
	*at = '\0';
	return out;
}

void quirk_set_parse(const char *text, struct quirk_set *out)
{
	*out = (struct quirk_set){{0, 0}};
	for (const char *at = text; at != NULL && (at = strstr(at, "Q-")) != NULL;) {
		unsigned long number = strtoul(at + 2, NULL, 10);

		if (number > 0 && number < QUIRK_COUNT)
			quirk_set_add(out, (unsigned)number);
		at += 2;
	}
}
