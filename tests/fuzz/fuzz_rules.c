/*
 * fuzz_rules.c: a message's text before the built-in rules: however it is cut into pieces, the same is found; and the test
 * virus put in anywhere is found always.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scan/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static enum recipient_verdict scan(void *rules, const uint8_t *text, size_t size, size_t step)
{
	struct finding finding = {.verdict = VERDICT_NONE};

	rules_hook.begin(rules);
	for (size_t at = 0; at < size; at += step)
		rules_hook.feed(rules, text + at, size - at < step ? size - at : step);
	rules_hook.finish(rules, &finding);
	if (finding.verdict != VERDICT_CLEAN && finding.verdict != VERDICT_VIRUS)
		abort();
	return finding.verdict;
}

/* The first 28 bytes of the test string and the rest, so that nobody takes this file for it. */
static const char begin[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
		  rest[] = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
#define BEGIN_SIZE (sizeof(begin) - 1)
#define VIRUS_SIZE (BEGIN_SIZE + sizeof(rest) - 1)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static void *rules;
	size_t step, at;
	uint8_t *text;

	if (rules == NULL)
		rules = rules_hook.open();
	if (rules == NULL || size < 2)
		return 0;
	step = 1 + input[0] % 80;
	at = input[1] % (size - 1);
	input += 2;
	size -= 2;
	if (scan(rules, input, size, size + 1) != scan(rules, input, size, step))
		abort();
	text = malloc(size + VIRUS_SIZE);
	if (text == NULL)
		return 0;
	memcpy(text, input, at);
	memcpy(text + at, begin, BEGIN_SIZE);
	memcpy(text + at + BEGIN_SIZE, rest, VIRUS_SIZE - BEGIN_SIZE);
	memcpy(text + at + VIRUS_SIZE, input + at, size - at);
	if (scan(rules, text, size + VIRUS_SIZE, step) != VERDICT_VIRUS)
		abort();
	free(text);
	return 0;
}
