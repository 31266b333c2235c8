/* Contexts for listeners, and a connection inside of TLS, with a client by OpenSSL over a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/conn.h"
#include "core/tls.h"

static char folder[] = "/tmp/sluice-tls-XXXXXX";

static const char *path_of(const char *name, const char *end)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s.%s", folder, name, end);
	return path;
}

/* NAME.pem and NAME.key, self-signed; `days` from now until it is outdated. */
static void make_pair(const char *name, EVP_PKEY *key, int days)
{
	X509 *certificate = X509_new();
	FILE *file;

	assert_true(certificate != NULL && key != NULL);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -10L * 86400);
	X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * 86400);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	file = fopen(path_of(name, "pem"), "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, certificate), 1);
	fclose(file);
	file = fopen(path_of(name, "key"), "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static int make_files(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_non_null(mkdtemp(folder));
	make_pair("ecdsa", EVP_EC_gen("P-256"), 30);
	make_pair("other", EVP_EC_gen("P-256"), -2);
	make_pair("weak", EVP_RSA_gen(1024), 30);
	return 0;
}

static int remove_files(void **state)
{
	static const char *const names[] = {"ecdsa", "other", "weak"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		unlink(path_of(names[i], "pem"));
		unlink(path_of(names[i], "key"));
	}
	return rmdir(folder);
}

/* ---- certificates ---- */

static void what_is_wrong_with_a_pair_is_told(void **state)
{
	static const struct {
		const char *certificate, *certificate_end, *key, *key_end;
		enum tls_fault fault;
		const char *why;
	} rows[] = {
		{"ecdsa", "pem", "ecdsa", "key", TLS_SOUND, ""},
		{"other", "pem", "other", "key", TLS_SOUND, ""},
		{"none", "pem", "ecdsa", "key", TLS_WRONG_CERTIFICATE, "cannot be read"},
		{"ecdsa", "key", "ecdsa", "key", TLS_WRONG_CERTIFICATE, "holds no certificate"},
		{"ecdsa", "pem", "none", "key", TLS_WRONG_KEY, "cannot be read"},
		{"ecdsa", "pem", "ecdsa", "pem", TLS_WRONG_KEY, "holds no private key"},
		{"ecdsa", "pem", "other", "key", TLS_WRONG_KEY, "of another certificate"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reason why = {.text = ""};
		struct tls_certificate *certificate;

		assert_int_equal(
			tls_certificate_open(path_of(rows[i].certificate, rows[i].certificate_end),
				path_of(rows[i].key, rows[i].key_end), &certificate, &why),
			rows[i].fault);
		assert_int_equal(certificate != NULL, rows[i].fault == TLS_SOUND);
		assert_non_null(strstr(why.text, rows[i].why));
		tls_certificate_close(&certificate);
	}
}

/* ---- sets ---- */

struct example {
	struct config_listener listener;
	struct config config;
	char *certificate, *key;
};

/* A configuration with one listener; the paths last as long as the example. */
static void begin_example(struct example *example, const char *pair, enum listener_tls tls,
	enum config_tls_version min)
{
	*example = (struct example){.listener = {.tls = tls, .min_tls = min},
		.certificate = strdup(path_of(pair, "pem")),
		.key = strdup(path_of(pair, "key"))};
	example->listener.profile = PROFILE_STANDARD;
	example->config.listeners = &example->listener;
	example->config.listener_count = 1;
	example->config.tls.certificates = (struct config_paths){&example->certificate, 1};
	example->config.tls.keys = (struct config_paths){&example->key, 1};
}

static void end_example(struct example *example)
{
	free(example->certificate);
	free(example->key);
}

static void a_listener_has_the_context_that_it_needs(void **state)
{
	static const struct {
		const char *pair;
		enum listener_tls tls;
		enum config_tls_version min;
		enum profile profile;
		bool opens, has_context;
	} rows[] = {
		{"ecdsa", LISTENER_TLS_STARTTLS, CONFIG_TLS_1_2, PROFILE_STANDARD, true, true},
		{"ecdsa", LISTENER_TLS_OFF, CONFIG_TLS_1_2, PROFILE_STANDARD, true, false},
		{"ecdsa", LISTENER_TLS_OFF, CONFIG_TLS_1_2, PROFILE_FRAGILE, true, true},
		{"weak", LISTENER_TLS_STARTTLS, CONFIG_TLS_1_2, PROFILE_STANDARD, false, false},
		{"weak", LISTENER_TLS_STARTTLS, CONFIG_TLS_1_0, PROFILE_STANDARD, true, true},
		{"weak", LISTENER_TLS_OFF, CONFIG_TLS_1_2, PROFILE_FRAGILE, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct example example;
		struct tls_set *set, *shared;
		struct reason why = {.text = ""};

		begin_example(&example, rows[i].pair, rows[i].tls, rows[i].min);
		example.listener.profile = rows[i].profile;
		assert_int_equal(tls_check(&example.config, &example.listener, &why),
			rows[i].opens ? 0 : -1);
		assert_int_equal(tls_set_open(&example.config, &set, &why), rows[i].opens ? 0 : -1);
		assert_int_equal(tls_set_context(set, 0) != NULL, rows[i].has_context);
		assert_null(tls_set_context(set, 1));
		shared = tls_set_share(set);
		tls_set_close(&set);
		assert_int_equal(tls_set_context(shared, 0) != NULL, rows[i].has_context);
		tls_set_close(&shared);
		end_example(&example);
	}
	assert_null(tls_set_context(NULL, 0));
}

static void a_changed_file_changes_the_stamp(void **state)
{
	struct example example;
	uint64_t before;
	FILE *file;

	(void)state;
	begin_example(&example, "other", LISTENER_TLS_STARTTLS, CONFIG_TLS_1_2);
	before = tls_files_stamp(&example.config);
	assert_true(before != 0 && before == tls_files_stamp(&example.config));
	file = fopen(example.key, "a");
	assert_non_null(file);
	fputs("\n", file);
	fclose(file);
	assert_true(tls_files_stamp(&example.config) != before);
	end_example(&example);
	example.config.tls = (struct config_certificates){{NULL, 0}, {NULL, 0}};
	assert_int_equal(tls_files_stamp(&example.config), 0);
}

/* ---- a connection ---- */

struct pair {
	struct conn conn;
	SSL_CTX *client_context;
	SSL *client;
	int client_fd;
};

static void open_pair(struct pair *pair)
{
	struct address nobody = {.any = {.sa_family = AF_UNIX}};
	struct example example;
	struct tls_set *set;
	struct reason why;
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	begin_example(&example, "ecdsa", LISTENER_TLS_IMPLICIT, CONFIG_TLS_1_2);
	assert_int_equal(tls_set_open(&example.config, &set, &why), 0);
	conn_init_plain(&pair->conn, fds[1], &nobody);
	assert_false(conn_is_tls(&pair->conn));
	assert_int_equal(conn_start_tls(&pair->conn, tls_set_context(set, 0)), 0);
	tls_set_close(&set); /* the connection keeps what it began with */
	end_example(&example);
	pair->client_fd = fds[0];
	pair->client_context = SSL_CTX_new(TLS_client_method());
	pair->client = SSL_new(pair->client_context);
	assert_int_equal(SSL_set_fd(pair->client, fds[0]), 1);
	SSL_set_connect_state(pair->client);
}

static enum conn_handshake shake(struct pair *pair, const char **why)
{
	enum conn_handshake state = CONN_HANDSHAKE_WAITS;

	for (int i = 0; i < 20 && state == CONN_HANDSHAKE_WAITS; i++) {
		SSL_do_handshake(pair->client);
		state = conn_handshake(&pair->conn, why);
	}
	return state;
}

static void close_pair(struct pair *pair)
{
	conn_fini(&pair->conn);
	SSL_free(pair->client);
	SSL_CTX_free(pair->client_context);
	close(pair->client_fd);
}

static void bytes_go_in_and_out_of_tls(void **state)
{
	struct iovec parts[] = {{"250-", 4}, {"", 0}, {"ok\r\n", 4}};
	char got[32], fingerprint[CONN_FINGERPRINT_SIZE];
	struct pair pair;
	const char *why = "";
	int bits = 0;

	(void)state;
	open_pair(&pair);
	assert_int_equal(shake(&pair, &why), CONN_HANDSHAKE_DONE);
	assert_true(conn_is_tls(&pair.conn));
	assert_string_equal(conn_tls_version(&pair.conn), "TLSv1.3");
	assert_string_equal(conn_tls_cipher(&pair.conn, &bits), "TLS_AES_256_GCM_SHA384");
	assert_int_equal(bits, 256);
	assert_false(conn_fingerprint(&pair.conn, fingerprint));
	assert_int_equal(conn_read(&pair.conn, got, sizeof(got)), -EAGAIN);
	assert_int_equal(SSL_write(pair.client, "a\0b", 3), 3);
	assert_int_equal(conn_read(&pair.conn, got, 2), 2);
	assert_true(conn_has_pending(&pair.conn)); /* and the socket has nothing */
	assert_int_equal(conn_read(&pair.conn, got + 2, sizeof(got) - 2), 1);
	assert_memory_equal(got, "a\0b", 3);
	assert_false(conn_has_pending(&pair.conn));
	assert_int_equal(conn_write(&pair.conn, parts, 3), 8);
	assert_int_equal(SSL_read(pair.client, got, sizeof(got)), 4);
	assert_int_equal(SSL_read(pair.client, got + 4, sizeof(got) - 4), 4);
	assert_memory_equal(got, "250-ok\r\n", 8);
	close_pair(&pair);
}

static void a_full_socket_takes_a_part_and_the_rest_later(void **state)
{
	static char sent[1 << 20], heard[1 << 20];
	struct pair pair;
	const char *why = "";
	size_t at = 0, back = 0;
	bool was_full = false;

	(void)state;
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7 + i / 251);
	open_pair(&pair);
	assert_int_equal(shake(&pair, &why), CONN_HANDSHAKE_DONE);
	while (back < sizeof(sent)) {
		struct iovec part = {sent + at, sizeof(sent) - at};
		ssize_t taken = at < sizeof(sent) ? conn_write(&pair.conn, &part, 1) : -EAGAIN;
		int got;

		if (taken > 0) {
			at += (size_t)taken;
			continue;
		}
		assert_int_equal(taken, -EAGAIN);
		was_full = was_full || at < sizeof(sent);
		got = SSL_read(pair.client, heard + back, (int)(sizeof(heard) - back));
		if (got > 0)
			back += (size_t)got;
	}
	assert_true(was_full);
	assert_memory_equal(sent, heard, sizeof(sent));
	close_pair(&pair);
}

static void an_end_is_one_with_close_notify_or_without(void **state)
{
	(void)state;
	for (int polite = 0; polite < 2; polite++) {
		char got[8];
		struct pair pair;
		const char *why = "";

		open_pair(&pair);
		assert_int_equal(shake(&pair, &why), CONN_HANDSHAKE_DONE);
		if (polite)
			SSL_shutdown(pair.client);
		else
			shutdown(pair.client_fd, SHUT_WR);
		assert_int_equal(conn_read(&pair.conn, got, sizeof(got)), 0);
		conn_end(&pair.conn); /* ours is said */
		SSL_read(pair.client, got, sizeof(got));
		assert_int_equal(SSL_get_shutdown(pair.client) & SSL_RECEIVED_SHUTDOWN,
			SSL_RECEIVED_SHUTDOWN);
		close_pair(&pair);
	}
}

static void a_handshake_that_fails_says_how(void **state)
{
	struct pair pair;
	const char *why = "";
	char byte;

	(void)state;
	open_pair(&pair);
	assert_int_equal(conn_handshake(&pair.conn, &why), CONN_HANDSHAKE_WAITS);
	assert_int_equal(send(pair.client_fd, "EHLO again\r\n", 12, 0), 12);
	assert_int_equal(conn_handshake(&pair.conn, &why), CONN_HANDSHAKE_WRONG);
	assert_string_equal(why, "wrong version number");
	assert_true(conn_read(&pair.conn, &byte, 1) < 0);
	close_pair(&pair);

	open_pair(&pair);
	shutdown(pair.client_fd, SHUT_WR);
	assert_int_equal(conn_handshake(&pair.conn, &why), CONN_HANDSHAKE_CLOSED);
	close_pair(&pair);

	open_pair(&pair);
	SSL_set_verify(pair.client, SSL_VERIFY_PEER, NULL);
	assert_int_equal(shake(&pair, &why), CONN_HANDSHAKE_REFUSED);
	assert_non_null(strstr(why, "unknown ca"));
	close_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_with_a_pair_is_told),
		cmocka_unit_test(a_listener_has_the_context_that_it_needs),
		cmocka_unit_test(a_changed_file_changes_the_stamp),
		cmocka_unit_test(bytes_go_in_and_out_of_tls),
		cmocka_unit_test(a_full_socket_takes_a_part_and_the_rest_later),
		cmocka_unit_test(an_end_is_one_with_close_notify_or_without),
		cmocka_unit_test(a_handshake_that_fails_says_how),
	};

	return cmocka_run_group_tests_name("core/tls", tests, make_files, remove_files);
}
