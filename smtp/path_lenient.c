#include "smtp/path_lenient.h"

#include <idn2.h>
#include <string.h>

#include "core/ascii.h"

#define LAYERS_MAX   8 /* of brackets, quotes and "mailto:" around an address */
#define BRACKETS_MAX 16 /* each costs a look at what follows */
#define DOMAIN_BYTES 512 /* of what is still to be made ASCII */

struct span {
	const char *at, *end;
};

static size_t span_size(struct span span)
{
	return (size_t)(span.end - span.at);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span span)
{
	while (span.at < span.end && is_blank(*span.at))
		span.at++;
	while (span.end > span.at && is_blank(span.end[-1]))
		span.end--;
	return span;
}

/*
 * The byte behind the one at `at`, or behind the whole quoted string or escaped byte that begins there. A quote that never
 * ends is none; as every other behind it is escaped then, one walk looks for its end only once.
 */
static const char *step(const char *at, const char *end)
{
	const char *from = at;

	if (*at == '\\' && end - at > 1)
		return at + 2;
	if (*at++ != '"')
		return at;
	for (; at < end && *at != '"'; at++)
		if (*at == '\\' && end - at > 1)
			at++;
	return at < end ? at + 1 : from + 1;
}

/* The first `c` outside of quotes; NULL: none. */
static const char *find(struct span span, char c)
{
	for (const char *at = span.at; at < span.end; at = step(at, span.end))
		if (*at == c)
			return at;
	return NULL;
}

static const char *find_last(struct span span, char c)
{
	const char *last = NULL;

	for (const char *at = span.at; at < span.end; at = step(at, span.end))
		if (*at == c)
			last = at;
	return last;
}

static bool has(struct span span, char c)
{
	return memchr(span.at, c, span_size(span)) != NULL;
}

/* ---- where the address is ---- */

static bool is_quoted(struct span span)
{
	return span_size(span) >= 2 && *span.at == '"' && step(span.at, span.end) == span.end;
}

/* What stands between "<" and ">", or and the next blank when no ">" comes. */
static struct span inside(const char *open, const char *end)
{
	struct span rest = {open + 1, end};
	const char *close = find(rest, '>');

	if (close != NULL)
		return (struct span){rest.at, close};
	for (close = rest.at; close < end && !is_blank(*close);)
		close = step(close, end);
	return (struct span){rest.at, close};
}

/* The last "<" outside of quotes that has an address behind it, else the last; not that of "AUTH=<>". NULL: none. */
static const char *find_bracket(struct span span)
{
	const char *last = NULL, *best = NULL;
	unsigned count = 0;

	for (const char *at = span.at; at < span.end; at = step(at, span.end)) {
		if (*at != '<' || (at > span.at && at[-1] == '='))
			continue;
		if (++count > BRACKETS_MAX)
			break;
		last = at;
		if (has(inside(at, span.end), '@'))
			best = at;
	}
	return best != NULL ? best : last;
}

static void note_before_bracket(struct span before, struct quirk_set *quirks)
{
	for (const char *at = before.at; at < before.end; at++) {
		if (*at != '<' && !is_blank(*at)) {
			quirk_set_add(quirks, QUIRK_DISPLAY_NAME);
			return;
		}
	}
	if (before.at < before.end)
		quirk_set_add(quirks, QUIRK_EXCESS_BRACKETS);
}

/* Steps into the bracket at `open`; *behind is where it is over, with what else closes. */
static struct span enter_bracket(
	struct span span, const char *open, const char **behind, struct quirk_set *quirks)
{
	struct span content = inside(open, span.end);
	const char *at = content.end;

	note_before_bracket((struct span){span.at, open}, quirks);
	if (at == span.end || *at != '>')
		quirk_set_add(quirks, QUIRK_NO_BRACKETS);
	else
		at++;
	*behind = at;
	while (at < span.end && (is_blank(*at) || *at == '>'))
		if (*at++ == '>') {
			quirk_set_add(quirks, QUIRK_EXCESS_BRACKETS);
			*behind = at;
		}
	return content;
}

/* Without brackets: the first word with an "@", else the first. */
static struct span find_word(struct span span, struct quirk_set *quirks)
{
	struct span first = {NULL, NULL}, rest = span;

	quirk_set_add(quirks, QUIRK_NO_BRACKETS);
	for (rest = trim(rest); rest.at < rest.end; rest = trim(rest)) {
		struct span word = {rest.at, rest.at};

		while (word.end < rest.end && !is_blank(*word.end))
			word.end = step(word.end, rest.end);
		if (has(word, '@')) {
			if (first.at != NULL)
				quirk_set_add(quirks, QUIRK_DISPLAY_NAME);
			return word;
		}
		if (first.at == NULL)
			first = word;
		rest.at = word.end;
	}
	return first.at != NULL ? first : (struct span){span.end, span.end};
}

static struct span strip_quotes(struct span span)
{
	struct span bare = {span.at + 1, span.end - 1};

	if (span_size(span) < 3 || *span.at != span.end[-1] || !has(bare, '@') || has(bare, '\\'))
		return span;
	return *span.at == '\'' || is_quoted(span) ? bare : span;
}

static struct span strip_scheme(struct span span)
{
	static const char *const schemes[] = {"mailto:", "smtp:"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (ascii_begins(span.at, span_size(span), schemes[i]))
			span.at += strlen(schemes[i]);
	return span;
}

/* Takes off what stands around an address, layer by layer. */
static struct span unwrap(struct span span, struct quirk_set *quirks)
{
	for (unsigned layer = 0; layer < LAYERS_MAX; layer++) {
		struct span bare = strip_scheme(strip_quotes(trim(span)));
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
	struct span local;
	struct span domain;
	char quoted[2 * PATH_LOCAL_BYTES + 2];
	char ascii[PATH_DOMAIN_BYTES];
};

/* "@a.example,@b.example:user@c": leaves the route out. */
static bool leave_route_out(struct span *address, struct quirk_set *quirks)
{
	const char *colon;

	if (address->at == address->end || *address->at != '@')
		return true;
	colon = find(*address, ':');
	if (colon == NULL)
		return false;
	quirk_set_add(quirks, QUIRK_SOURCE_ROUTE);
	address->at = colon + 1;
	*address = trim(*address);
	return address->at < address->end;
}

static bool is_in_domain(struct span host, const char *domain)
{
	size_t wanted = strlen(domain), size = span_size(host);

	if (size > wanted && host.end[-(ptrdiff_t)wanted - 1] == '.')
		host.at = host.end - wanted;
	return ascii_equals(host.at, span_size(host), domain);
}

/* "user%host" and "host!user" ask the next relay to send it on to that host (Q-49). */
static bool routes_elsewhere(struct span local, const char *domain)
{
	const char *percent = find_last(local, '%'), *bang = find(local, '!');

	if (bang != NULL && !is_in_domain((struct span){local.at, bang}, domain))
		return true;
	return percent != NULL && !is_in_domain((struct span){percent + 1, local.end}, domain);
}

/* Whether it may stand as it is: atoms joined by single dots. */
static bool is_dot_string(struct span local)
{
	static const char special[] = "()<>[]:;@\\,\" \t";
	char last = '.';

	for (const char *at = local.at; at < local.end; last = *at++)
		if (strchr(special, *at) != NULL || (*at == '.' && last == '.'))
			return false;
	return last != '.';
}

/* Printable and no quote or bracket of which nobody knows what it was meant to close. */
static bool may_be_quoted(struct span local)
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
	if (span_size(mailbox->local) > PATH_LOCAL_BYTES)
		return PATH_TOO_LONG;
	*to++ = '"';
	for (const char *at = mailbox->local.at; at < mailbox->local.end; at++) {
		if (*at == '\\')
			*to++ = '\\';
		*to++ = *at;
	}
	*to++ = '"';
	mailbox->local = (struct span){mailbox->quoted, to};
	return PATH_SOUND;
}

static enum path_fault settle_local(const struct path_lenient *rules, enum path_kind kind,
	struct mailbox *mailbox, struct quirk_set *quirks)
{
	struct span local = mailbox->local;

	if (local.at == local.end)
		return PATH_SYNTAX;
	if (!rules->utf8 && path_has_eightbit(local.at, span_size(local))) {
		quirk_set_add(quirks, QUIRK_EIGHTBIT_ADDRESS);
		return PATH_EIGHTBIT;
	}
	if (kind == PATH_FORWARD && routes_elsewhere(local, rules->domain)) {
		quirk_set_add(quirks, QUIRK_SOURCE_ROUTE);
		return PATH_RELAYED;
	}
	if (is_quoted(local) || is_dot_string(local))
		return PATH_SOUND;
	return quote_local(mailbox, quirks);
}

/* "müller.example" as DNS has it: IDNA 2008 (RFC 5891). */
static enum path_fault make_ascii(struct mailbox *mailbox)
{
	size_t size = span_size(mailbox->domain);
	char utf8[DOMAIN_BYTES];
	char *ascii;

	if (size >= sizeof(utf8))
		return PATH_TOO_LONG;
	memcpy(utf8, mailbox->domain.at, size);
	utf8[size] = '\0';
	if (strlen(utf8) != size ||
		idn2_to_ascii_8z(utf8, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return PATH_EIGHTBIT;
	size = strlen(ascii);
	if (size <= sizeof(mailbox->ascii))
		memcpy(mailbox->ascii, ascii, size);
	idn2_free(ascii);
	mailbox->domain = (struct span){mailbox->ascii, mailbox->ascii + size};
	return size <= sizeof(mailbox->ascii) ? PATH_SOUND : PATH_TOO_LONG;
}

static enum path_fault settle_domain(
	const struct path_lenient *rules, struct mailbox *mailbox, struct quirk_set *quirks)
{
	struct span *domain = &mailbox->domain;

	while (domain->at < domain->end && domain->end[-1] == '.') {
		quirk_set_add(quirks, QUIRK_ODD_DOTS);
		domain->end--;
	}
	if (domain->at == domain->end) {
		quirk_set_add(quirks, QUIRK_UNQUALIFIED);
		*domain = (struct span){rules->domain, rules->domain + strlen(rules->domain)};
	}
	if (rules->utf8 || !path_has_eightbit(domain->at, span_size(*domain)))
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
	size_t local = span_size(mailbox->local), domain = span_size(mailbox->domain);
	char address[sizeof(mailbox->quoted) + 1 + DOMAIN_BYTES];

	if (local > sizeof(mailbox->quoted) || domain > DOMAIN_BYTES)
		return PATH_TOO_LONG;
	memcpy(address, mailbox->local.at, local);
	address[local] = '@';
	memcpy(address + local + 1, mailbox->domain.at, domain);
	return finish(rules, kind, address, local + 1 + domain, out);
}

static enum path_fault read_address(const struct path_lenient *rules, enum path_kind kind,
	struct span address, struct path *out, struct quirk_set *quirks)
{
	struct mailbox mailbox;
	const char *at;
	enum path_fault fault;

	if (kind == PATH_REVERSE && address.at == address.end)
		return finish(rules, kind, "", 0, out);
	if (!leave_route_out(&address, quirks))
		return PATH_SYNTAX;
	at = find_last(address, '@');
	if (at == NULL && kind == PATH_FORWARD &&
		ascii_equals(address.at, span_size(address), "postmaster"))
		return finish(rules, kind, address.at, span_size(address), out);
	mailbox.local = trim((struct span){address.at, at != NULL ? at : address.end});
	mailbox.domain = trim((struct span){at != NULL ? at + 1 : address.end, address.end});
	fault = settle_local(rules, kind, &mailbox, quirks);
	if (fault == PATH_SOUND)
		fault = settle_domain(rules, &mailbox, quirks);
	return fault == PATH_SOUND ? join(rules, kind, &mailbox, out) : fault;
}

enum path_fault path_lenient_parse(const struct path_lenient *rules, enum path_kind kind,
	const char *text, size_t size, struct path *out, size_t *taken, struct quirk_set *quirks)
{
	struct span span = {text, text + size}, address;
	const char *open, *behind;

	while (span.at < span.end && is_blank(*span.at))
		span.at++;
	open = find_bracket(span);
	if (open != NULL) {
		address = enter_bracket(span, open, &behind, quirks);
	} else {
		address = find_word(span, quirks);
		behind = address.end;
	}
	*taken = (size_t)(behind - text);
	return read_address(rules, kind, unwrap(address, quirks), out, quirks);
}

/* ---- lists ---- */

static bool is_separator(char c)
{
	return c == ',' || c == ';';
}

/* Whether a separator at `at` stands in the route of "<@a,@b:c@d>". */
static bool is_in_route(const char *from, const char *at, const char *end)
{
	const char *open = find_last((struct span){from, at}, '<');
	const char *colon = find((struct span){at, end}, ':');

	return open != NULL && open + 1 < at && open[1] == '@' && colon != NULL &&
	       find((struct span){open, at}, ':') == NULL;
}

static bool is_address(struct span part)
{
	return has(part, '@') || has(part, '<');
}

/* Whether " NOTIFY=SUCCESS,FAILURE" begins at `at`: an address came before it, or the word itself can be none. */
static bool is_parameter(const char *from, const char *at, const char *end)
{
	struct span word = {at + 1, at + 1};
	const char *name_end;

	while (word.end < end && !is_blank(*word.end))
		word.end++;
	for (name_end = word.at; name_end < word.end; name_end++)
		if (!ascii_is_alnum(*name_end) && *name_end != '-')
			break;
	if (name_end == word.at || name_end == word.end || *name_end != '=')
		return false;
	return !has(word, '@') || is_address((struct span){from, at});
}

/* Parameters behind the last address hold commas of their own. */
static const char *find_separator(const char *from, const char *end)
{
	for (const char *at = from; at < end; at = step(at, end)) {
		if (is_separator(*at) && !is_in_route(from, at, end))
			return at;
		if (is_blank(*at) && is_parameter(from, at, end))
			return end;
	}
	return end;
}

int path_list_next(const char **cursor, const char *end, struct path_item *out)
{
	struct span item = {*cursor, *cursor};
	bool has_addresses;

	while (item.at < end && (is_separator(*item.at) || is_blank(*item.at)))
		item.at++;
	if (item.at == end)
		return 0;
	has_addresses = is_address((struct span){item.at, end});
	item.end = find_separator(item.at, end);
	while (has_addresses && item.end < end && !is_address(item))
		item.end = find_separator(item.end + 1, end);
	*cursor = item.end;
	*out = (struct path_item){item.at, span_size(trim(item))};
	return 1;
}
