/*
 * path_lenient.h: addresses as fragile clients write them (Q-33 to Q-39, Q-49, Q-50), made into what path.h takes.
 *
 *	user@x · user@x> · <<a@b>> · "Name" <a@b> · mailto:a@b · "a@b" · < a@b >	the address, by itself
 *	<@hop.example:a@b>						a@b: the route is left out
 *	bob · bob@							bob@DOMAIN, the client's own
 *	a.@b · a..b@c · First Last@b · a@b.				"a."@b · "a..b"@c · "First Last"@b · a@b
 *	a@müller.example						a@xn--mller-kva.example
 *
 * What it gives has passed path_parse (path_parse_utf8 behind SMTPUTF8), so leniency ends here: nothing goes upstream that
 * a strict listener would not have taken. Refused are what is no address, what is too long, 8-bit local parts without
 * SMTPUTF8, and recipients that route through another host ("%", "!" that lead out of DOMAIN; in quotes "%", "@" and "!" where
 * a host with a dot that leads out is beside them, since some relays look inside; Q-49).
 *
 * A list of them is path_list.h's affair.
 *
 * Threads: any, values only.
 */
#ifndef SLUICE_SMTP_PATH_LENIENT_H
#define SLUICE_SMTP_PATH_LENIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/quirk.h"
#include "smtp/path.h"

struct path_lenient {
	const char *domain; /* what an address without one gets */
	bool utf8; /* SMTPUTF8 was said */
};

/*
 * The path at the beginning of `text`, which is what follows "FROM" or "TO". *taken is how much it was, and what it got
 * wrong is added to `quirks`, also where it is refused.
 */
enum path_fault path_lenient_parse(const struct path_lenient *rules, enum path_kind kind,
	const char *text, size_t size, struct path *out, size_t *taken, struct quirk_set *quirks);

#endif
