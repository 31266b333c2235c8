#include "smtp/path_lenient.h"

#include <string.h>

#include "core/ascii.h"
#include "smtp/idna.h"
#include "smtp/path_span.h"

#define LAYERS_MAX   8 /* of brackets, quotes and "mailto:" around an address */
#define BRACKETS_MAX 16 /* each costs a look at what follows */
#define DOMAIN_BYTES 512 /* of what is still to be made ASCII */

/* ---- where the address is ---- */

static bool is_quoted(struct path_span span)
{
	return path_span_size(span) >= 2 && *span.at == '"' &&
	       path_span_step(span.at, span.end) == span.end;
}

/* What stands between "<" and ">", or and the next blank when no ">" comes. */
static struct path_span inside(const char *open, const char *end)
{
	struct path_span rest = {open + 1, end};
	const char *close = path_span_find(rest, '>');

	if (close != NULL)
		return (struct path_span){rest.at, close};
	for (close = rest.at; close < end && !path_span_is_blank(*close);)
		close = path_span_step(close, end);
	return (struct path_span){rest.at, close};
}

/* The last "<" outside of quotes that has an address behind it, else the last; not that of "AUTH=<>". NULL: none. */
static const char *find_bracket(struct path_span span)
{
	const char *last = NULL, *best = NULL;
	unsigned count = 0;

	for (const char *at = span.at; at < span.end; at = path_span_step(at, span.end)) {
		if (*at != '<' || (at > span.at && at[-1] == '='))
			continue;
		if (++count > BRACKETS_MAX)
			break;
		last = at;
		if (path_span_has(inside(at, span.end), '@'))
			best = at;
	}
	return best != NULL ? best : last;
}

static void note_before_bracket(struct path_span before, struct quirk_set *quirks)
{
	for (const char *at = before.at; at < before.end; at++) {
		if (*at != '<' && !path_span_is_blank(*at)) {
			quirk_set_add(quirks, QUIRK_DISPLAY_NAME);
			return;
		}
	}
	if (before.at < before.end)
		quirk_set_add(quirks, QUIRK_EXCESS_BRACKETS);
}

/* Steps into the bracket at `open`; *behind is where it is over, with what else closes. */
static struct path_span enter_bracket(
	struct path_span span, const char *open, const char **behind, struct quirk_set *quirks)
{
	struct path_span content = inside(open, span.end);
	const char *at = content.end;

	note_before_bracket((struct path_span){span.at, open}, quirks);
	if (at == span.end || *at != '>')
		quirk_set_add(quirks, QUIRK_NO_BRACKETS);
	else
		at++;
	*behind = at;
	while (at < span.end && (path_span_is_blank(*at) || *at == '>'))
		if (*at++ == '>') {
			quirk_set_add(quirks, QUIRK_EXCESS_BRACKETS);
			*behind = at;
		}
	return content;
}

/* Without brackets: the first word with an "@", else the first. */
static struct path_span find_word(struct path_span span, struct quirk_set *quirks)
{
	struct path_span first = {NULL, NULL}, rest = span;

	quirk_set_add(quirks, QUIRK_NO_BRACKETS);
	for (rest = path_span_trim(rest); rest.at < rest.end; rest = path_span_trim(rest)) {
		struct path_span word = {rest.at, rest.at};

		while (word.end < rest.end && !path_span_is_blank(*word.end))
			word.end = path_span_step(word.end, rest.end);
		if (path_span_has(word, '@')) {
			if (first.at != NULL)
				quirk_set_add(quirks, QUIRK_DISPLAY_NAME);
			return word;
		}
		if (first.at == NULL)
			first = word;
		rest.at = word.end;
	}
	return first.at != NULL ? first : (struct path_span){span.end, span.end};
}

/* "a@b>": what only closes. *behind is where it is over. */
static struct path_span close_word(
	struct path_span word, const char **behind, struct quirk_set *quirks)
{
	const char *close = path_span_find(word, '>');

	*behind = word.end;
	if (close == NULL)
		return word;
	quirk_set_add(quirks, QUIRK_EXCESS_BRACKETS);
	for (*behind = close; *behind < word.end && **behind == '>';)
		++*behind;
	return (struct path_span){word.at, close};
}

static struct path_span strip_quotes(struct path_span span)
{
	struct path_span bare = {span.at + 1, span.end - 1};

	if (path_span_size(span) < 3 || *span.at != span.end[-1] || !path_span_has(bare, '@') ||
		path_span_has(bare, '\\'))
		return span;
	return *span.at == '\'' || is_quoted(span) ? bare : span;
}

static struct path_span strip_scheme(struct path_span span)
{
	static const char *const schemes[] = {"mailto:", "smtp:"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (ascii_begins(span.at, path_span_size(span), schemes[i]))
			span.at += strlen(schemes[i]);
	return span;
}

/* Takes off what stands around an address, layer by layer. */
static struct path_span unwrap(struct path_span span, struct quirk_set *quirks)
{
	for (unsigned layer = 0; layer < LAYERS_MAX; layer++) {
		struct path_span bare = strip_scheme(strip_quotes(path_span_trim(span)));
		const char *open = find_bracket(bare), *behind;

		if (open != NULL)
			bare = enter_bracket(bare, open, &behind, quirks);
		if (bare.at == span.at && bare.end == span.end)
			break;
		quirk_set_add(quirks, QUIRK_EXCESS_BRACKETS);
		span = bare;
	}
	return span;
}

/* ---- what it says ---- */

struct mailbox {
	struct path_span local;
	struct path_span domain;
	char quoted[2 * PATH_LOCAL_BYTES + 2];
	char ascii[IDNA_DOMAIN_BYTES + 1];
};

/* "@a.example,@b.example:user@c": leaves the route out. */
static bool leave_route_out(struct path_span *address, struct quirk_set *quirks)
{
	const char *colon;

	if (address->at == address->end || *address->at != '@')
		return true;
	colon = path_span_find(*address, ':');
	if (colon == NULL)
		return false;
	quirk_set_add(quirks, QUIRK_SOURCE_ROUTE);
	address->at = colon + 1;
	*address = path_span_trim(*address);
	return address->at < address->end;
}

static bool is_in_domain(struct path_span host, const char *domain)
{
	size_t wanted = strlen(domain), size = path_span_size(host);

	if (size > wanted && host.end[-(ptrdiff_t)wanted - 1] == '.')
		host.at = host.end - wanted;
	return ascii_equals(host.at, path_span_size(host), domain);
}

/* "user%host" and "host!user" ask the next relay to send it on to that host (Q-49). */
static bool routes_elsewhere(struct path_span local, const char *domain)
{
	const char *percent = path_span_find_last(local, '%'), *bang = path_span_find(local, '!');

	if (bang != NULL && !is_in_domain((struct path_span){local.at, bang}, domain))
		return true;
	return percent != NULL && !is_in_domain((struct path_span){percent + 1, local.end}, domain);
}

/* "evil.example", "[192.0.2.1]": a host that leads out; one without a dot is the upstream's own. */
static bool leads_out(struct path_span host, const char *domain)
{
	if (host.at < host.end && *host.at == '[')
		return true;
	for (const char *at = host.at; at < host.end; at++)
		if (!ascii_is_alnum(*at) && *at != '-' && *at != '.')
			return false;
	return path_span_has(host, '.') && !is_in_domain(host, domain);
}

/*
 * The same within quotes, where these are letters by RFC 5321; but there are relays that look inside (Postfix does by its
 * resolve_dequoted_address), and trust us. So all that could be a host is looked at, on either side of each mark.
 */
static bool routes_in_quotes(struct path_span local, const char *domain)
{
	char plain[PATH_LOCAL_BYTES];
	size_t begin = 0, size = 0;
	bool is_asked = false;

	if (!is_quoted(local) || path_span_size(local) > sizeof(plain))
		return false; /* too long for an address */
	for (const char *at = local.at + 1; at < local.end; at++) {
		bool is_over = at + 1 == local.end;

		at += *at == '\\';
		if (!is_over && strchr("%@!", *at) == NULL) {
			plain[size++] = *at;
			continue;
		}
		if ((is_asked || *at == '!') &&
			leads_out((struct path_span){plain + begin, plain + size}, domain))
			return true;
		is_asked = *at != '!';
		begin = size;
	}
	return false;
}

/* Whether it may stand as it is: atoms joined by single dots. */
static bool is_dot_string(struct path_span local)
{
	static const char special[] = "()<>[]:;@\\,\" \t";
	char last = '.';

	for (const char *at = local.at; at < local.end; last = *at++)
		if (strchr(special, *at) != NULL || (*at == '.' && last == '.'))
			return false;
	return last != '.';
}

/* Printable and no quote or bracket of which nobody knows what it was meant to close. */
static bool may_be_quoted(struct path_span local)
{
	for (const char *at = local.at; at < local.end; at++)
		if ((*at >= 0 && *at < ' ') || *at == 0x7f || strchr("\"<>@", *at) != NULL)
			return false;
	return true;
}

static enum path_fault quote_local(struct mailbox *mailbox, struct quirk_set *quirks)
{
	char *to = mailbox->quoted;

	quirk_set_add(quirks, QUIRK_ODD_DOTS);
	if (!may_be_quoted(mailbox->local))
		return PATH_SYNTAX;
	if (path_span_size(mailbox->local) > PATH_LOCAL_BYTES)
		return PATH_TOO_LONG;
	*to++ = '"';
	for (const char *at = mailbox->local.at; at < mailbox->local.end; at++) {
		if (*at == '\\')
			*to++ = '\\';
		*to++ = *at;
	}
	*to++ = '"';
	mailbox->local = (struct path_span){mailbox->quoted, to};
	return PATH_SOUND;
}

static enum path_fault settle_local(const struct path_lenient *rules, enum path_kind kind,
	struct mailbox *mailbox, struct quirk_set *quirks)
{
	struct path_span local = mailbox->local;

	if (local.at == local.end)
		return PATH_SYNTAX;
	if (!rules->utf8 && path_has_eightbit(local.at, path_span_size(local))) {
		quirk_set_add(quirks, QUIRK_EIGHTBIT_ADDRESS);
		return PATH_EIGHTBIT;
	}
	if (kind == PATH_FORWARD && (routes_elsewhere(local, rules->domain) ||
					    routes_in_quotes(local, rules->domain))) {
		quirk_set_add(quirks, QUIRK_SOURCE_ROUTE);
		return PATH_RELAYED;
	}
	if (is_quoted(local) || is_dot_string(local))
		return PATH_SOUND;
	return quote_local(mailbox, quirks);
}

static enum path_fault make_ascii(struct mailbox *mailbox)
{
	static const enum path_fault faults[] = {[IDNA_SOUND] = PATH_SOUND,
		[IDNA_NO_DOMAIN] = PATH_EIGHTBIT,
		[IDNA_TOO_LONG] = PATH_TOO_LONG};
	struct path_span *domain = &mailbox->domain;
	enum idna_fault fault =
		idna_make_ascii(domain->at, path_span_size(*domain), mailbox->ascii);

	if (fault == IDNA_SOUND)
		*domain =
			(struct path_span){mailbox->ascii, mailbox->ascii + strlen(mailbox->ascii)};
	return faults[fault];
}

static enum path_fault settle_domain(
	const struct path_lenient *rules, struct mailbox *mailbox, struct quirk_set *quirks)
{
	struct path_span *domain = &mailbox->domain;

	while (domain->at < domain->end && domain->end[-1] == '.') {
		quirk_set_add(quirks, QUIRK_ODD_DOTS);
		domain->end--;
	}
	if (domain->at == domain->end) {
		quirk_set_add(quirks, QUIRK_UNQUALIFIED);
		*domain = (struct path_span){rules->domain, rules->domain + strlen(rules->domain)};
	}
	if (rules->utf8 || !path_has_eightbit(domain->at, path_span_size(*domain)))
		return PATH_SOUND;
	quirk_set_add(quirks, QUIRK_EIGHTBIT_ADDRESS);
	return make_ascii(mailbox);
}

/* The judge of all: what is written here must be a path by the rules. */
static enum path_fault finish(const struct path_lenient *rules, enum path_kind kind,
	const char *address, size_t size, struct path *out)
{
	char text[1 + sizeof(((struct mailbox *)NULL)->quoted) + 1 + DOMAIN_BYTES + 1];
	size_t taken;
	enum path_fault fault;

	if (size > sizeof(text) - 2)
		return PATH_TOO_LONG;
	text[0] = '<';
	memcpy(text + 1, address, size);
	text[size + 1] = '>';
	fault = (rules->utf8 ? path_parse_utf8 : path_parse)(text, size + 2, kind, out, &taken);
	return fault == PATH_SOUND && taken != size + 2 ? PATH_SYNTAX : fault;
}

static enum path_fault join(const struct path_lenient *rules, enum path_kind kind,
	const struct mailbox *mailbox, struct path *out)
{
	size_t local = path_span_size(mailbox->local), domain = path_span_size(mailbox->domain);
	char address[sizeof(mailbox->quoted) + 1 + DOMAIN_BYTES];

	if (local > sizeof(mailbox->quoted) || domain > DOMAIN_BYTES)
		return PATH_TOO_LONG;
	memcpy(address, mailbox->local.at, local);
	address[local] = '@';
	memcpy(address + local + 1, mailbox->domain.at, domain);
	return finish(rules, kind, address, local + 1 + domain, out);
}

static enum path_fault read_address(const struct path_lenient *rules, enum path_kind kind,
	struct path_span address, struct path *out, struct quirk_set *quirks)
{
	struct mailbox mailbox;
	const char *at;
	enum path_fault fault;

	if (kind == PATH_REVERSE && address.at == address.end)
		return finish(rules, kind, "", 0, out);
	if (!leave_route_out(&address, quirks))
		return PATH_SYNTAX;
	at = path_span_find_last(address, '@');
	if (at == NULL && kind == PATH_FORWARD &&
		ascii_equals(address.at, path_span_size(address), "postmaster"))
		return finish(rules, kind, address.at, path_span_size(address), out);
	mailbox.local =
		path_span_trim((struct path_span){address.at, at != NULL ? at : address.end});
	mailbox.domain =
		path_span_trim((struct path_span){at != NULL ? at + 1 : address.end, address.end});
	fault = settle_local(rules, kind, &mailbox, quirks);
	if (fault == PATH_SOUND)
		fault = settle_domain(rules, &mailbox, quirks);
	return fault == PATH_SOUND ? join(rules, kind, &mailbox, out) : fault;
}

enum path_fault path_lenient_parse(const struct path_lenient *rules, enum path_kind kind,
	const char *text, size_t size, struct path *out, size_t *taken, struct quirk_set *quirks)
{
	struct path_span span = {text, text + size}, address;
	const char *open, *behind;

	while (span.at < span.end && path_span_is_blank(*span.at))
		span.at++;
	open = find_bracket(span);
	if (open != NULL) {
		address = enter_bracket(span, open, &behind, quirks);
	} else {
		address = close_word(find_word(span, quirks), &behind, quirks);
	}
	*taken = (size_t)(behind - text);
	return read_address(rules, kind, unwrap(address, quirks), out, quirks);
}
