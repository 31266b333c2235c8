/*
 * virus.h: the EICAR test string for tests, put together at run time so that no scanner minds the source, and base64 of it.
 */
#ifndef SLUICE_TESTS_UNIT_SCAN_VIRUS_H
#define SLUICE_TESTS_UNIT_SCAN_VIRUS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/bytes.h"

#define VIRUS_SIZE 68

static inline const char *virus_text(void)
{
	static char text[VIRUS_SIZE + 1];

	strcpy(text, "X5O!P%@AP[4\\PZX54(P^)7CC)7}$");
	strcat(text, "EICAR-STANDARD-ANTIVIRUS-TEST-FILE");
	return strcat(text, "!$H+H*");
}

/* Appends `size` bytes as base64 in CRLF lines of `width`. */
static inline void virus_append_base64(
	struct bytes *to, const void *from, size_t size, size_t width)
{
	char *encoded = malloc(size * 2 + 8);
	size_t length;

	assert_non_null(encoded);
	length = (size_t)EVP_EncodeBlock((unsigned char *)encoded, from, (int)size);
	for (size_t at = 0; at < length; at += width) {
		assert_true(
			bytes_append(to, encoded + at, length - at < width ? length - at : width));
		assert_true(bytes_append_text(to, "\r\n"));
	}
	free(encoded);
}

/* An attachment with the test string `before` bytes behind its start. */
static inline void virus_append_mail(struct bytes *to, size_t before, size_t width)
{
	struct bytes file = {0};

	for (size_t i = 0; i < before; i++)
		assert_true(bytes_append(&file, &"\0\377pad"[i % 5], 1));
	assert_true(bytes_append_text(&file, virus_text()));
	assert_true(bytes_append_text(to,
		"Subject: files\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee here\r\nword\r\n"
		"--b\r\nContent-Type: application/octet-stream\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n"));
	virus_append_base64(to, file.data, file.size, width);
	assert_true(bytes_append_text(to, "--b--\r\n"));
	bytes_fini(&file);
}

#endif
