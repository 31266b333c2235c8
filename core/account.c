#include "core/account.h"

#include <crypt.h>
#include <stdint.h>
#include <string.h>

#include "core/utf8.h"

_Static_assert(
	ACCOUNT_HASH_SIZE >= CRYPT_OUTPUT_SIZE && ACCOUNT_HASH_SIZE >= CRYPT_GENSALT_OUTPUT_SIZE,
	"a hash fits");

/* What each method writes behind its salt: a line that was cut is seen by it. */
static const struct {
	const char *prefix;
	size_t digest_size;
} methods[] = {
	{"$y$", 43},
	{"$gy$", 43},
	{"$7$", 43},
	{"$2b$", 53}, /* with the salt: there is no "$" between */
	{"$2a$", 53},
	{"$2y$", 53},
	{"$6$", 86},
	{"$5$", 43},
	{"$1$", 22},
};

const char *account_name_wrong(const char *name, size_t size)
{
	if (size == 0 || size >= ACCOUNT_NAME_SIZE)
		return "expected a name of 1 to 255 bytes";
	if (name[0] == '#')
		return "expected a name that does not begin with '#'";
	for (size_t at = 0; at < size;) {
		uint32_t code;
		size_t step = utf8_next(name + at, size - at, &code);

		if (step == 0)
			return "expected a name in UTF-8";
		if (code == ':' || code <= ' ' || utf8_is_control(code))
			return "expected a name without blanks, ':' and control characters";
		at += step;
	}
	return NULL;
}

static bool is_hash_text(const char *hash, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (hash[i] <= ' ' || hash[i] > '~' || strchr(":;*!\\", hash[i]) != NULL)
			return false;
	return true;
}

static bool has_whole_digest(const char *hash, size_t size)
{
	const char *last = strrchr(hash, '$');

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strncmp(hash, methods[i].prefix, strlen(methods[i].prefix)) == 0)
			return size - (size_t)(last + 1 - hash) == methods[i].digest_size;
	return false;
}

static const char *hash_wrong(const struct account_entry *entry)
{
	char hash[ACCOUNT_HASH_SIZE];
	int salt;

	if (entry->hash_size >= sizeof(hash))
		return "expected a hash of at most 383 bytes";
	if (!is_hash_text(entry->hash, entry->hash_size))
		return "expected a hash of printable characters behind the name, and nothing more";
	memcpy(hash, entry->hash, entry->hash_size);
	hash[entry->hash_size] = '\0';
	salt = crypt_checksalt(hash);
	if ((salt != CRYPT_SALT_OK && salt != CRYPT_SALT_METHOD_LEGACY) || hash[0] != '$')
		return "expected a hash of a method that crypt(3) has, as $y$…; no password in "
		       "clear, no DES";
	return has_whole_digest(hash, entry->hash_size)
		       ? NULL
		       : "expected a whole hash; this one is cut, or of a method that is not taken";
}

enum account_line account_parse_line(
	const char *line, size_t size, struct account_entry *out, const char **wrong)
{
	const char *colon;

	*wrong = NULL;
	if (size > 0 && line[size - 1] == '\r')
		size--;
	if (size == 0 || line[0] == '#')
		return ACCOUNT_NOTHING;
	colon = memchr(line, ':', size);
	if (colon == NULL) {
		*wrong = "expected name:hash";
		return ACCOUNT_BAD;
	}
	*out = (struct account_entry){.name = line,
		.name_size = (size_t)(colon - line),
		.hash = colon + 1,
		.hash_size = size - (size_t)(colon + 1 - line)};
	while (out->hash_size > 0 && (out->hash[0] == '!' || out->hash[0] == '*')) {
		out->locked = true;
		out->hash++;
		out->hash_size--;
	}
	*wrong = account_name_wrong(out->name, out->name_size);
	if (*wrong == NULL && !(out->locked && out->hash_size == 0))
		*wrong = hash_wrong(out);
	return *wrong == NULL ? ACCOUNT_ENTRY : ACCOUNT_BAD;
}

char *account_new_setting(char out[ACCOUNT_HASH_SIZE])
{
	/* NULL, 0, NULL: the system's best method, its usual cost, its own randomness */
	return crypt_gensalt_rn(NULL, 0, NULL, 0, out, ACCOUNT_HASH_SIZE);
}
