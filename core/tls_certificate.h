/* tls_certificate.h: a certificate as OpenSSL has it; for the files behind tls.h. */
#ifndef SLUICE_CORE_TLS_CERTIFICATE_H
#define SLUICE_CORE_TLS_CERTIFICATE_H

#include <openssl/x509.h>

#include "core/tls.h"

struct tls_certificate {
	char *path;
	X509 *leaf;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* without the leaf */
};

/* What OpenSSL says went wrong first on this thread, as a text. */
const char *tls_error(void);

#endif
