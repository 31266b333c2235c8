/*
 * tls.h: what clients' TLS is made of: certificates with their keys, and from them one context for each listener.
 *
 *   1. tls_certificate_open reads one pair of files, and says which of both is wrong. The configuration is checked with it.
 *   2. tls_set_open makes the contexts of a configuration's listeners, all or none. A fragile listener without TLS has one too, where
 *      its certificate can be used, for clients that begin TLS unasked. Contexts never change: a renewal is a new
 *      set, which workers begin new handshakes with; a connection keeps the context that it began with.
 *   3. A client that names a host (SNI, RFC 6066 3) gets the certificates that are for it, one a kind of key: RSA and ECDSA
 *      side by side, and the client's ciphers choose. One that names none, or an unknown one, gets the first of each kind.
 *
 * A listener with min_tls below 1.2 is for old devices: everything that OpenSSL still has but ciphers without a key or a
 * certificate, security level 0, no session tickets. Others have TLS 1.2 and 1.3 with AEAD and ECDHE alone (RFC 9325).
 * Certificates of clients are asked for and never required; any is taken, as only its fingerprint counts.
 *
 * Threads: any; a set is constant. Owner: counted; tls_set_close drops a reference. Errors: a text for the operator.
 */
#ifndef SLUICE_CORE_TLS_H
#define SLUICE_CORE_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/reason.h"

struct ssl_ctx_st;
struct tls_set;

/* ---- one certificate ---- */

struct tls_certificate;

enum tls_fault {
	TLS_SOUND,
	TLS_WRONG_CERTIFICATE, /* its file cannot be read, or holds none */
	TLS_WRONG_KEY, /* its file cannot be read, or holds none, or one of another certificate */
};

/* A certificate with its chain, and its private key (PEM, without a passphrase). */
enum tls_fault tls_certificate_open(const char *certificate_path, const char *key_path,
	struct tls_certificate **out, struct reason *reason);
void tls_certificate_close(struct tls_certificate **certificate);

/* ---- the contexts of all listeners ---- */

/* Whether the listener's certificates can be used with its min_tls. 0 or -1. */
int tls_check(
	const struct config *config, const struct config_listener *listener, struct reason *reason);

int tls_set_open(const struct config *config, struct tls_set **out, struct reason *reason);
struct tls_set *tls_set_share(struct tls_set *set);
void tls_set_close(struct tls_set **set);

/* Of the listener of that number; NULL: it has none, or there is no set. */
struct ssl_ctx_st *tls_set_context(const struct tls_set *set, size_t listener);

/* Logs certificates that are outdated or will be soon, and says so in the metrics. */
void tls_set_warn(const struct tls_set *set, uint64_t now_unix_ms);

/* A number that changes when one of the files does: of now, and of when the set was made. 0: there is none. */
uint64_t tls_files_stamp(const struct config *config);
uint64_t tls_set_stamp(const struct tls_set *set);

#endif
