/*
 * fact.h: "name      text": a line of a report, its text in a column of its own.
 *
 * What came from peers is made harmless (printable.h). On a terminal that is too narrow the text goes on in the next line of
 * the same column; into a pipe or a file a fact is one line.
 *
 * Threads: one. Errors: without memory a line lacks its text. Limits: a text is cut behind 2,047 bytes.
 */
#ifndef SLUICE_ADMIN_FACT_H
#define SLUICE_ADMIN_FACT_H

/* An empty name: goes on with the fact before. */
void fact_print(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line below a fact, with a label: "          Sluice does: text". */
void fact_print_note(const char *label, const char *text);

#endif
