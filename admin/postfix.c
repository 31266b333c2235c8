#include "admin/postfix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/network.h"

#define BLANKS     " \t\r\n\f\v"
#define SEPARATORS BLANKS ","
#define V4_BITS    96 /* IPv4's networks begin behind ::ffff:0:0/96 */

/* A line with what continues it. */
struct entry {
	size_t line;
	size_t start; /* of its text */
	char *text; /* set when all lines are read, as text moves while it grows */
};

struct reading {
	const struct postfix_reader *reader;
	struct bytes text; /* the entries', each with a NUL */
	struct entry *entries;
	size_t count;
};

static bool refuse(const struct reading *reading, size_t line, const char *what, const char *why)
{
	return reading->reader->refuse(reading->reader->owner, line, what, why);
}

/* ---- lines ---- */

static bool begin_entry(struct reading *reading, size_t line)
{
	struct entry *grown = reallocarray(reading->entries, reading->count + 1, sizeof(*grown));

	if (grown == NULL)
		return false;
	reading->entries = grown;
	grown[reading->count++] = (struct entry){.line = line, .start = reading->text.size};
	return true;
}

static bool take_line(struct reading *reading, size_t line, const char *text, size_t size)
{
	struct bytes *to = &reading->text;
	size_t blanks = 0;

	while (blanks < size && strchr(BLANKS, text[blanks]) != NULL)
		blanks++;
	if (blanks == size || text[blanks] == '#')
		return true;
	if (blanks > 0 && reading->count > 0)
		to->data[to->size - 1] = ' '; /* goes on */
	else if (!begin_entry(reading, line))
		return false;
	return bytes_append(to, text + blanks, size - blanks) && bytes_append(to, "", 1);
}

static bool take_lines(struct reading *reading, const char *text, size_t size)
{
	const char *end = text + size;
	size_t line = 1;
	bool done = true;

	for (; done && text < end; line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline != NULL ? newline : end;

		done = take_line(reading, line, text, (size_t)(stop - text));
		text = stop + 1;
	}
	for (size_t i = 0; done && i < reading->count; i++)
		reading->entries[i].text = (char *)reading->text.data + reading->entries[i].start;
	return done;
}

/* ---- networks ---- */

static void format_network(const struct network *network, char *out)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	bool is_v4 = network->prefix_bits >= V4_BITS &&
		     memcmp(network->bytes, mapped, sizeof(mapped)) == 0;
	unsigned skipped = is_v4 ? V4_BITS : 0;
	size_t used;

	inet_ntop(is_v4 ? AF_INET : AF_INET6, network->bytes + (is_v4 ? sizeof(mapped) : 0), out,
		POSTFIX_NETWORK_SIZE);
	used = strlen(out);
	if (network->prefix_bits < 128)
		snprintf(out + used, POSTFIX_NETWORK_SIZE - used, "/%u",
			network->prefix_bits - skipped);
}

/* "[2001:db8::]/32" without its brackets. */
static void copy_bare(const char *word, char *out, size_t out_size)
{
	size_t used = 0;

	for (; *word != '\0' && used + 1 < out_size; word++) {
		if (*word != '[' && *word != ']')
			out[used++] = *word;
	}
	out[used] = '\0';
}

static bool is_number(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* "hash:/etc/postfix/access": a type, which no group of an IPv6 address is, or a path behind it. */
static bool is_table(const char *word)
{
	const char *colon = strchr(word, ':');
	size_t size = colon != NULL ? (size_t)(colon - word) : 0;

	return word[0] != '[' && size > 0 &&
	       (colon[1] == '/' || strspn(word, "0123456789abcdefABCDEF") < size);
}

static bool is_name(const char *word)
{
	return strpbrk(word, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ_@") != NULL ||
	       (strpbrk(word, "abcdefABCDEF") != NULL && strchr(word, ':') == NULL);
}

static bool take_network(const struct reading *reading, size_t line, const char *word)
{
	char bare[POSTFIX_NETWORK_SIZE * 2], text[POSTFIX_NETWORK_SIZE];
	struct network network;
	struct reason reason;

	copy_bare(word, bare, sizeof(bare));
	if (network_parse(bare, &network, &reason) < 0)
		return refuse(reading, line, word, reason.text);
	if (network.zone[0] != '\0')
		return refuse(reading, line, word, "it is only good on one interface");
	format_network(&network, text);
	if (strcmp(text, "::/0") == 0 || strcmp(text, "0.0.0.0/0") == 0)
		return refuse(reading, line, word,
			"everybody in the world could relay; where that is meant, say it with "
			"sluice grant add");
	return reading->reader->allow(reading->reader->owner, line, text);
}

/* One of mynetworks, or of a plain list. */
static bool take_word(const struct reading *reading, size_t line, const char *word)
{
	if (word[0] == '!')
		return refuse(reading, line, word,
			"exclusions are not supported: it stays inside the network around it, "
			"unless it gets a grant of its own that is revoked (the most exact one "
			"decides)");
	if (word[0] == '/')
		return refuse(reading, line, word,
			"a file of networks is not read by itself: give it to --postfix too");
	if (is_table(word))
		return refuse(reading, line, word,
			"a table is not read by itself: give its source text to --postfix too");
	if (is_name(word))
		return refuse(reading, line, word,
			"names of hosts and domains are not supported: name their addresses");
	return take_network(reading, line, word);
}

static bool take_words(const struct reading *reading, size_t line, char *words)
{
	char *rest = NULL;
	bool done = true;

	for (char *word = strtok_r(words, SEPARATORS, &rest); done && word != NULL;
		word = strtok_r(NULL, SEPARATORS, &rest))
		done = take_word(reading, line, word);
	return done;
}

/* ---- maps ---- */

/* "10.1.2" is 10.1.2.0/24, "2001:db8" is 2001:db8::/32; false: it is no such prefix, or a whole address. */
static bool expand_prefix(const char *key, char *out)
{
	unsigned parts = 1;
	bool is_v4 = strchr(key, ':') == NULL;
	const char *mark = is_v4 ? "." : ":";

	if (key[strspn(key, is_v4 ? "0123456789." : "0123456789abcdefABCDEF:")] != '\0' ||
		strstr(key, "::") != NULL || strlen(key) > INET6_ADDRSTRLEN - 8)
		return false;
	for (const char *at = key; (at = strpbrk(at, mark)) != NULL; at++)
		parts++;
	if (parts >= (is_v4 ? 4U : 8U))
		return false;
	if (is_v4)
		snprintf(out, POSTFIX_NETWORK_SIZE, "%s%s/%u", key,
			&".0.0.0"[(size_t)(parts - 1) * 2], parts * 8);
	else
		snprintf(out, POSTFIX_NETWORK_SIZE, "%s::/%u", key, parts * 16);
	return true;
}

static bool is_network(const char *word)
{
	struct network network;

	return strpbrk(word, ".:") != NULL && network_parse(word, &network, NULL) == 0;
}

static bool allows(const char *action)
{
	return strcasecmp(action, "OK") == 0 || strcasecmp(action, "permit") == 0 ||
	       strcasecmp(action, "RELAY") == 0 || is_number(action);
}

static bool take_allowed(const struct reading *reading, size_t line, const char *key)
{
	char network[POSTFIX_NETWORK_SIZE];

	if (strchr(key, '@') != NULL)
		return refuse(reading, line, key,
			"it is a mail address, and anybody can say that: name the client's "
			"address");
	return take_word(reading, line, expand_prefix(key, network) ? network : key);
}

/* "key action", or a list of networks. */
static bool take_map_entry(const struct reading *reading, const struct entry *entry)
{
	size_t key_size = strcspn(entry->text, SEPARATORS);
	char *rest = entry->text + key_size + strspn(entry->text + key_size, SEPARATORS);
	bool is_list = entry->text[key_size] == ',' || *rest == '\0';
	char action[128];

	snprintf(action, sizeof(action), "%.*s", (int)strcspn(rest, SEPARATORS), rest);
	if (strncasecmp(entry->text, "if", key_size) == 0 ||
		strncasecmp(entry->text, "endif", key_size) == 0)
		return refuse(reading, entry->line, entry->text, "conditions are not supported");
	if (is_list || is_network(action))
		return take_words(reading, entry->line, entry->text);
	entry->text[key_size] = '\0';
	if (allows(action))
		return take_allowed(reading, entry->line, entry->text);
	snprintf(action, sizeof(action), "its action is no plain permission: %.64s", rest);
	return refuse(reading, entry->line, entry->text, action);
}

/* ---- main.cf ---- */

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

/* Of "name = value"; NULL: it is none. */
static const char *value_of(const struct entry *entry, size_t *name_size)
{
	const char *at = entry->text;

	*name_size = strspn(at, NAME_CHARACTERS);
	at += *name_size;
	at += strspn(at, BLANKS);
	return *name_size > 0 && *at == '=' ? at + 1 + strspn(at + 1, BLANKS) : NULL;
}

/* The last one counts. */
static const struct entry *find_setting(
	const struct reading *reading, const char *name, size_t size, const char **value)
{
	for (size_t i = reading->count; i-- > 0;) {
		const struct entry *entry = &reading->entries[i];
		size_t entry_size;

		*value = value_of(entry, &entry_size);
		if (*value != NULL && entry_size == size && memcmp(entry->text, name, size) == 0)
			return entry;
	}
	return NULL;
}

struct expansion {
	const struct reading *reading;
	size_t line; /* of what is expanded */
	struct bytes text;
	unsigned variables; /* so far */
};

static bool expand(struct expansion *expansion, const char *text, unsigned depth);

static bool expand_variable(
	struct expansion *expansion, const char *name, size_t size, unsigned depth)
{
	char variable[64];
	const char *value;

	if (depth >= POSTFIX_DEPTH || ++expansion->variables > POSTFIX_VARIABLES)
		return refuse(expansion->reading, expansion->line, "$",
			"there are too many variables within variables");
	if (find_setting(expansion->reading, name, size, &value) != NULL)
		return expand(expansion, value, depth + 1);
	snprintf(variable, sizeof(variable), "$%.*s", (int)size, name);
	return refuse(expansion->reading, expansion->line, variable, "the file does not set it");
}

/* Puts in what variables stand for. */
static bool expand(struct expansion *expansion, const char *text, unsigned depth)
{
	bool done = true;

	while (done && *text != '\0' && expansion->variables <= POSTFIX_VARIABLES) {
		size_t size = strcspn(text, "$");
		const char *name = text + size + 1;
		bool is_braced;

		done = bytes_append(&expansion->text, text, size);
		text += size;
		if (!done || *text == '\0')
			break;
		is_braced = *name == '{' || *name == '(';
		name += is_braced;
		size = strspn(name, NAME_CHARACTERS);
		if (size == 0 || (is_braced && name[size] != '}' && name[size] != ')'))
			return refuse(expansion->reading, expansion->line, text,
				"this use of $ is not supported");
		done = expand_variable(expansion, name, size, depth);
		text = name + size + is_braced;
	}
	return done;
}

static bool is_client_access(const char *value)
{
	return strstr(value, "check_client_access") != NULL;
}

/* Maps that let clients relay stand in other files. */
static bool name_maps(const struct reading *reading, const struct entry *entry, const char *value)
{
	const char *at = value;
	bool done = true;

	while (done && (at = strstr(at, "check_client_access")) != NULL) {
		char map[256];

		at += strlen("check_client_access");
		at += strspn(at, SEPARATORS);
		snprintf(map, sizeof(map), "%.*s", (int)strcspn(at, SEPARATORS), at);
		done = refuse(reading, entry->line, map,
			"a map of clients is not read by itself: where it lets clients relay, "
			"give its source text to --postfix too");
	}
	return done;
}

static bool take_main(const struct reading *reading)
{
	struct expansion words = {.reading = reading};
	const char *value = NULL;
	const struct entry *setting =
		find_setting(reading, "mynetworks", strlen("mynetworks"), &value);
	bool done;

	if (setting == NULL) {
		done = refuse(reading, 1, "mynetworks",
			"the file does not set it, so it follows from mynetworks_style; give a "
			"file with what postconf -h mynetworks says");
	} else {
		words.line = setting->line;
		done = expand(&words, value, 0) && bytes_append(&words.text, "", 1) &&
		       take_words(reading, setting->line, (char *)words.text.data);
	}
	bytes_fini(&words.text);
	for (size_t i = 0; done && i < reading->count; i++) {
		size_t name_size;

		value = value_of(&reading->entries[i], &name_size);
		if (value != NULL && is_client_access(value))
			done = name_maps(reading, &reading->entries[i], value);
	}
	return done;
}

static bool is_main(const struct reading *reading)
{
	const char *value;
	size_t name_size;

	return reading->count > 0 &&
	       (value_of(&reading->entries[0], &name_size) != NULL ||
		       find_setting(reading, "mynetworks", strlen("mynetworks"), &value) != NULL);
}

bool postfix_read(const char *text, size_t size, const struct postfix_reader *reader)
{
	struct reading reading = {.reader = reader};
	bool done;

	if (memchr(text, '\0', size) != NULL)
		return refuse(&reading, 1, "the file",
			"it is no text; give the source of a map, not the .db that postmap made");
	done = take_lines(&reading, text, size);
	if (done && is_main(&reading))
		done = take_main(&reading);
	else
		for (size_t i = 0; done && i < reading.count; i++)
			done = take_map_entry(&reading, &reading.entries[i]);
	free(reading.entries);
	bytes_fini(&reading.text);
	return done;
}
