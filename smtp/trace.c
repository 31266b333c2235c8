#include "smtp/trace.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/ascii.h"
#include "core/clock.h"
#include "queue/id.h"

#define HELO_BYTES 255

char *trace_format_peer(const struct address *peer, char *out)
{
	char host[ADDRESS_TEXT_SIZE];

	address_format_host(peer, host);
	if (peer->any.sa_family == AF_INET)
		snprintf(out, ADDRESS_TEXT_SIZE, "[%.64s]", host);
	else if (peer->any.sa_family == AF_INET6)
		snprintf(out, ADDRESS_TEXT_SIZE, "[IPv6:%.64s]", host);
	else
		snprintf(out, ADDRESS_TEXT_SIZE, "localhost");
	return out;
}

static bool may_stand_in_domain(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("-._:[]", c) != NULL);
}

/* HELO as a domain or literal; each byte that neither can hold becomes "-". */
static void clean_helo(const char *helo, const char *peer, char *out)
{
	size_t size = 0;

	for (; helo != NULL && helo[size] != '\0' && size < HELO_BYTES; size++)
		out[size] = '-';
	out[size] = '\0';
	for (size_t i = 0; i < size; i++)
		if (may_stand_in_domain(helo[i]))
			out[i] = helo[i];
	if (size == 0)
		snprintf(out, HELO_BYTES + 1, "%s", peer);
}

#define TLS_LINE_SIZE 160

static const char *protocol_of(const struct trace *trace)
{
	static const char *const names[2][2] = {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}};

	return trace->esmtp ? names[trace->tls_version != NULL][trace->authenticated] : "SMTP";
}

/* "" without TLS. */
static void format_tls(const struct trace *trace, char *out)
{
	out[0] = '\0';
	if (trace->tls_version != NULL)
		snprintf(out, TLS_LINE_SIZE, "\t(using %.20s with cipher %.80s (%d bits))\r\n",
			trace->tls_version, trace->tls_cipher, trace->tls_bits);
}

size_t trace_format(const struct trace *trace, char *out)
{
	char tls[TLS_LINE_SIZE];
	char peer[ADDRESS_TEXT_SIZE], helo[HELO_BYTES + 1];
	char id[ID_TEXT_SIZE], date[CLOCK_RFC5322_SIZE];
	bool has_for = trace->recipient != NULL;
	int size;

	trace_format_peer(trace->peer, peer);
	clean_helo(trace->helo, peer, helo);
	format_tls(trace, tls);
	size = snprintf(out, TRACE_SIZE,
		"Received: from %s (%s)\r\n"
		"%s\tby %.255s with %s id %s%s%.256s%s;%s%s\r\n",
		helo, peer, tls, trace->hostname, protocol_of(trace), id_format(trace->id, id),
		has_for ? "\r\n\tfor <" : "", has_for ? trace->recipient : "", has_for ? ">" : "",
		has_for ? " " : "\r\n\t", clock_format_rfc5322(trace->unix_ms, date));
	return (size_t)size;
}
