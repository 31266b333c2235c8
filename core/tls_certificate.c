/* tls_certificate.c: one certificate and its key, read from their files. */
#include "core/tls_certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1 << 20)
#define CHAIN_MAX      16

const char *tls_error(void)
{
	unsigned long code = ERR_peek_error();
	const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

	return text != NULL ? text : "no reason given";
}

static char no_passphrase[] = ""; /* nobody could type one in */

/* NULL: why not is said. */
static BIO *open_file(const char *path, struct reason *reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	BIO *file;

	if (fd < 0 || fstat(fd, &status) < 0) {
		reason_set(reason, "'%.200s' cannot be read: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	file = S_ISREG(status.st_mode) && status.st_size <= FILE_BYTES_MAX
		       ? BIO_new_fd(fd, BIO_CLOSE)
		       : NULL;
	if (file == NULL) {
		reason_set(reason, "'%.200s' is not a file of PEM text", path);
		close(fd);
	}
	return file;
}

/* The certificate, and behind it what leads to its authority. False without any, or when one is broken. */
static bool read_chain(struct tls_certificate *certificate, BIO *file)
{
	X509 *next;

	certificate->leaf = PEM_read_bio_X509_AUX(file, NULL, NULL, no_passphrase);
	certificate->chain = sk_X509_new_null();
	if (certificate->leaf == NULL || certificate->chain == NULL)
		return false;
	while (sk_X509_num(certificate->chain) < CHAIN_MAX &&
		(next = PEM_read_bio_X509(file, NULL, NULL, no_passphrase)) != NULL)
		if (sk_X509_push(certificate->chain, next) == 0) {
			X509_free(next);
			return false;
		}
	return ERR_peek_error() == 0 ||
	       ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static enum tls_fault read_certificate(
	struct tls_certificate *certificate, const char *path, struct reason *reason)
{
	BIO *file = open_file(path, reason);
	bool sound;

	if (file == NULL)
		return TLS_WRONG_CERTIFICATE;
	ERR_clear_error();
	sound = read_chain(certificate, file);
	BIO_free(file);
	if (!sound)
		reason_set(reason, "'%.200s' holds no certificate in PEM: %s", path, tls_error());
	ERR_clear_error();
	return sound ? TLS_SOUND : TLS_WRONG_CERTIFICATE;
}

static enum tls_fault read_key(
	struct tls_certificate *certificate, const char *path, struct reason *reason)
{
	BIO *file = open_file(path, reason);

	if (file == NULL)
		return TLS_WRONG_KEY;
	ERR_clear_error();
	certificate->key = PEM_read_bio_PrivateKey(file, NULL, NULL, no_passphrase);
	BIO_free(file);
	if (certificate->key == NULL)
		reason_set(reason, "'%.200s' holds no private key in PEM without a passphrase: %s",
			path, tls_error());
	else if (X509_check_private_key(certificate->leaf, certificate->key) != 1)
		reason_set(reason, "'%.200s' is the key of another certificate than '%.200s'", path,
			certificate->path);
	else
		return TLS_SOUND;
	ERR_clear_error();
	return TLS_WRONG_KEY;
}

enum tls_fault tls_certificate_open(const char *certificate_path, const char *key_path,
	struct tls_certificate **out, struct reason *reason)
{
	struct tls_certificate *certificate = calloc(1, sizeof(*certificate));
	enum tls_fault fault;

	*out = certificate;
	if (certificate != NULL)
		certificate->path = strdup(certificate_path);
	if (certificate == NULL || certificate->path == NULL) {
		reason_set(reason, "out of memory");
		tls_certificate_close(out);
		return TLS_WRONG_CERTIFICATE;
	}
	fault = read_certificate(certificate, certificate_path, reason);
	if (fault == TLS_SOUND)
		fault = read_key(certificate, key_path, reason);
	if (fault != TLS_SOUND)
		tls_certificate_close(out);
	return fault;
}

void tls_certificate_close(struct tls_certificate **certificate)
{
	if (certificate == NULL || *certificate == NULL)
		return;
	X509_free((*certificate)->leaf);
	EVP_PKEY_free((*certificate)->key);
	sk_X509_pop_free((*certificate)->chain, X509_free);
	free((*certificate)->path);
	free(*certificate);
	*certificate = NULL;
}
