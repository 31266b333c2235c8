#include "core/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"
#include "core/metrics.h"
#include "core/tls_certificate.h"

#define CLIENT_CHAIN_BYTES (32L * 1024)
#define TICKET_SECONDS     7200
#define WARN_DAYS          14
#define SECONDS_PER_DAY    86400
#define MS_PER_SECOND      1000

#define MODERN_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define MODERN_GROUPS  "X25519:P-256:P-384:P-521"
#define MODERN_LEVEL   2
#define LEGACY_CIPHERS \
	"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ALL:!aNULL:!eNULL:!EXPORT:!PSK:!SRP:@SECLEVEL=0"

/* A listener's. It goes with its SSL_CTX, which every connection that began with it has a reference to. */
struct tls_context {
	struct tls_certificate **certificates;
	size_t count;
};

struct tls_set {
	_Atomic unsigned references;
	uint64_t stamp; /* of the files, taken before they were read */
	SSL_CTX **contexts; /* by listener; NULL: it has none */
	size_t count;
};

/* ---- the certificates of a context ---- */

static void close_context(struct tls_context *context)
{
	if (context == NULL)
		return;
	for (size_t i = 0; i < context->count; i++)
		tls_certificate_close(&context->certificates[i]);
	free(context->certificates);
	free(context);
}

static void free_context(
	void *parent, void *context, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	close_context(context);
}

/* Where an SSL_CTX keeps its struct tls_context; made once, by the first set, on the main thread. */
static int context_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_context);
	return index;
}

static struct tls_context *load_context(
	const struct config_certificates *files, struct reason *reason)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	if (context != NULL)
		context->certificates =
			calloc(files->certificates.count, sizeof(struct tls_certificate *));
	if (context == NULL || context->certificates == NULL) {
		reason_set(reason, "out of memory");
		close_context(context);
		return NULL;
	}
	for (; context->count < files->certificates.count; context->count++)
		if (tls_certificate_open(files->certificates.items[context->count],
			    files->keys.items[context->count],
			    &context->certificates[context->count], reason) != TLS_SOUND) {
			close_context(context);
			return NULL;
		}
	return context;
}

/* ---- the one that a client gets ---- */

static bool is_for(const struct tls_certificate *certificate, const char *host)
{
	return X509_check_host(
		       certificate->leaf, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

/* Whether one of those before it has the same kind of key and is for the same host; the first counts. */
static bool has_kind_before(const struct tls_context *context, size_t at, const char *host)
{
	for (size_t i = 0; i < at; i++)
		if (EVP_PKEY_get_base_id(context->certificates[i]->key) ==
				EVP_PKEY_get_base_id(context->certificates[at]->key) &&
			(host == NULL || is_for(context->certificates[i], host)))
			return true;
	return false;
}

static int choose_certificates(SSL *ssl, void *argument)
{
	const struct tls_context *context = argument;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	bool found = false;

	if (host == NULL || context->count < 2)
		return 1;
	for (size_t i = 0; i < context->count; i++) {
		const struct tls_certificate *certificate = context->certificates[i];

		if (!is_for(certificate, host) || has_kind_before(context, i, host))
			continue;
		if (!found)
			SSL_certs_clear(ssl);
		found = true;
		if (SSL_use_cert_and_key(
			    ssl, certificate->leaf, certificate->key, certificate->chain, 1) != 1)
			return 0;
	}
	return 1;
}

/* For a client that names no host that we know: the first certificate of each kind of key. */
static bool set_certificates(SSL_CTX *ssl, const struct tls_context *context, struct reason *reason)
{
	for (size_t i = 0; i < context->count; i++) {
		const struct tls_certificate *certificate = context->certificates[i];

		if (has_kind_before(context, i, NULL))
			continue;
		if (SSL_CTX_use_cert_and_key(
			    ssl, certificate->leaf, certificate->key, certificate->chain, 1) != 1) {
			reason_set(reason, "'%.200s' cannot be used: %s", certificate->path,
				tls_error());
			return false;
		}
	}
	return true;
}

/* ---- a context ---- */

/* Whoever signed it, and however old it is: what counts is that the client has the key. */
static int take_any_certificate(X509_STORE_CTX *store, void *argument)
{
	(void)argument;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static int protocol_of(enum config_tls_version version)
{
	static const int protocols[] = {
		[CONFIG_TLS_1_0] = TLS1_VERSION,
		[CONFIG_TLS_1_1] = TLS1_1_VERSION,
		[CONFIG_TLS_1_2] = TLS1_2_VERSION,
		[CONFIG_TLS_1_3] = TLS1_3_VERSION,
	};

	return protocols[version];
}

static bool set_ciphers(SSL_CTX *ssl, bool legacy)
{
	if (legacy) {
		SSL_CTX_set_dh_auto(ssl, 1);
		SSL_CTX_set_security_level(ssl, 0);
		return SSL_CTX_set_cipher_list(ssl, LEGACY_CIPHERS) == 1;
	}
	SSL_CTX_set_security_level(ssl, MODERN_LEVEL);
	return SSL_CTX_set_cipher_list(ssl, MODERN_CIPHERS) == 1 &&
	       SSL_CTX_set1_groups_list(ssl, MODERN_GROUPS) == 1;
}

static void set_tickets(SSL_CTX *ssl, bool legacy)
{
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ssl, TICKET_SECONDS);
	SSL_CTX_set_num_tickets(ssl, legacy ? 0 : 1); /* each is a packet of its own */
	if (legacy)
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
}

static bool set_rules(SSL_CTX *ssl, enum config_tls_version min)
{
	static const unsigned char id[] = "sluice";
	bool legacy = min < CONFIG_TLS_1_2;

	SSL_CTX_set_options(ssl, SSL_OP_ALL | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF |
					 SSL_OP_CLEANSE_PLAINTEXT); /* passwords come in it */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ssl, take_any_certificate, NULL);
	SSL_CTX_set_max_cert_list(ssl, CLIENT_CHAIN_BYTES);
	SSL_CTX_set_read_ahead(ssl, 1);
	set_tickets(ssl, legacy);
	return set_ciphers(ssl, legacy) &&
	       SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1) == 1 &&
	       SSL_CTX_set_min_proto_version(ssl, protocol_of(min)) == 1 &&
	       SSL_CTX_set_max_proto_version(ssl, 0) == 1;
}

/* NULL: why not is said. */
static SSL_CTX *open_context(
	const struct config_certificates *files, enum config_tls_version min, struct reason *reason)
{
	struct tls_context *context = load_context(files, reason);
	SSL_CTX *ssl;

	if (context == NULL)
		return NULL;
	ERR_clear_error();
	ssl = SSL_CTX_new(TLS_server_method());
	if (ssl == NULL || SSL_CTX_set_ex_data(ssl, context_index(), context) != 1) {
		reason_set(reason, "OpenSSL makes no context: %s", tls_error());
		close_context(context);
		SSL_CTX_free(ssl);
		return NULL;
	}
	if (!set_rules(ssl, min)) {
		reason_set(reason, "OpenSSL does not take the rules: %s", tls_error());
		SSL_CTX_free(ssl);
		return NULL;
	}
	if (!set_certificates(ssl, context, reason)) {
		SSL_CTX_free(ssl);
		return NULL;
	}
	SSL_CTX_set_cert_cb(ssl, choose_certificates, context);
	return ssl;
}

/* ---- the set ---- */

/* NULL: it has none; `reason` tells why where it should have. */
static SSL_CTX *open_of_listener(
	const struct config *config, const struct config_listener *listener, struct reason *reason)
{
	const struct config_certificates *files = config_certificates_of(config, listener);

	if (files == NULL ||
		(listener->tls == LISTENER_TLS_OFF && listener->profile != PROFILE_FRAGILE))
		return NULL;
	return open_context(files, listener->min_tls, reason);
}

int tls_check(
	const struct config *config, const struct config_listener *listener, struct reason *reason)
{
	SSL_CTX *ssl = open_of_listener(config, listener, reason);
	bool sound = ssl != NULL || listener->tls == LISTENER_TLS_OFF;

	SSL_CTX_free(ssl);
	return sound ? 0 : -1;
}

int tls_set_open(const struct config *config, struct tls_set **out, struct reason *reason)
{
	struct tls_set *set = calloc(1, sizeof(*set));

	*out = NULL;
	if (set == NULL)
		return reason_set(reason, "out of memory");
	atomic_init(&set->references, 1);
	set->stamp = tls_files_stamp(config);
	set->contexts = calloc(config->listener_count, sizeof(SSL_CTX *));
	set->count = set->contexts != NULL ? config->listener_count : 0;
	if (set->contexts == NULL)
		reason_set(reason, "out of memory");
	for (size_t i = 0; i < set->count; i++) {
		const struct config_listener *listener = &config->listeners[i];

		set->contexts[i] = open_of_listener(config, listener, reason);
		if (set->contexts[i] == NULL && listener->tls != LISTENER_TLS_OFF) {
			tls_set_close(&set);
			return -1;
		}
	}
	if (set->contexts == NULL) {
		tls_set_close(&set);
		return -1;
	}
	*out = set;
	return 0;
}

struct tls_set *tls_set_share(struct tls_set *set)
{
	/* relaxed: the caller's own reference keeps it alive meanwhile */
	if (set != NULL)
		atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
	return set;
}

void tls_set_close(struct tls_set **set)
{
	struct tls_set *closed;

	if (set == NULL || *set == NULL)
		return;
	closed = *set;
	*set = NULL;
	/* release: pairs with the acquire of whoever drops the last one, so that all use of it is over */
	if (atomic_fetch_sub_explicit(&closed->references, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < closed->count; i++)
		SSL_CTX_free(closed->contexts[i]);
	free(closed->contexts);
	free(closed);
}

struct ssl_ctx_st *tls_set_context(const struct tls_set *set, size_t listener)
{
	return set != NULL && listener < set->count ? set->contexts[listener] : NULL;
}

/* ---- what the operator should know ---- */

/* Seconds that are left; negative: it is outdated. */
static int64_t seconds_left(const struct tls_certificate *certificate, time_t now)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, now);
	int days = 0, seconds = 0;

	if (from == NULL ||
		ASN1_TIME_diff(&days, &seconds, from, X509_get0_notAfter(certificate->leaf)) != 1)
		days = -1; /* a date that cannot be read */
	ASN1_TIME_free(from);
	return (int64_t)days * SECONDS_PER_DAY + seconds;
}

static void warn(const struct tls_certificate *certificate, int64_t left)
{
	struct log_quoted path;

	if (left < 0)
		log_event(LOG_ERROR, "certificate_expired",
			"certificate=\"%s\" days_ago=%lld "
			"hint=\"clients that check it cannot send; renew it\"",
			log_text(&path, certificate->path), (long long)(-left / SECONDS_PER_DAY));
	else if (left < (int64_t)WARN_DAYS * SECONDS_PER_DAY)
		log_event(LOG_WARNING, "certificate_expires",
			"certificate=\"%s\" days=%lld hint=\"renew it\"",
			log_text(&path, certificate->path), (long long)(left / SECONDS_PER_DAY));
}

/* A certificate of several listeners is told once: `told` is the set's part that was. */
static bool is_told(const struct tls_set *set, size_t listeners, const char *path)
{
	for (size_t i = 0; i < listeners; i++) {
		const struct tls_context *context =
			set->contexts[i] != NULL
				? SSL_CTX_get_ex_data(set->contexts[i], context_index())
				: NULL;

		for (size_t j = 0; context != NULL && j < context->count; j++)
			if (strcmp(context->certificates[j]->path, path) == 0)
				return true;
	}
	return false;
}

void tls_set_warn(const struct tls_set *set, uint64_t now_unix_ms)
{
	time_t now = (time_t)(now_unix_ms / MS_PER_SECOND);
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < set->count; i++) {
		const struct tls_context *context =
			set->contexts[i] != NULL
				? SSL_CTX_get_ex_data(set->contexts[i], context_index())
				: NULL;

		for (size_t j = 0; context != NULL && j < context->count; j++) {
			const struct tls_certificate *certificate = context->certificates[j];
			int64_t left = seconds_left(certificate, now);

			if (!is_told(set, i, certificate->path))
				warn(certificate, left);
			least = left < least ? left : least;
		}
	}
	if (least != INT64_MAX)
		metric_set(METRIC_TLS_EXPIRES_AT, (uint64_t)((int64_t)now + least));
}

/* ---- their files ---- */

static uint64_t mix(uint64_t stamp, uint64_t value)
{
	return (stamp ^ value) * UINT64_C(0x100000001b3) + 1;
}

static uint64_t stamp_files(uint64_t stamp, const struct config_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++) {
		struct stat status = {0};

		if (stat(paths->items[i], &status) < 0)
			stamp = mix(stamp, 1);
		stamp = mix(stamp, status.st_ino);
		stamp = mix(stamp, (uint64_t)status.st_size);
		stamp = mix(stamp, (uint64_t)status.st_mtim.tv_sec);
		stamp = mix(stamp, (uint64_t)status.st_mtim.tv_nsec);
	}
	return stamp;
}

static uint64_t stamp_pairs(uint64_t stamp, const struct config_certificates *files)
{
	return stamp_files(stamp_files(stamp, &files->certificates), &files->keys);
}

uint64_t tls_files_stamp(const struct config *config)
{
	uint64_t stamp = stamp_pairs(0, &config->tls);

	for (size_t i = 0; i < config->listener_count; i++)
		stamp = stamp_pairs(stamp, &config->listeners[i].certificates);
	return stamp;
}

uint64_t tls_set_stamp(const struct tls_set *set)
{
	return set->stamp;
}
