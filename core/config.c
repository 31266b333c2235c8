#include "core/config.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_draft.h"

/* The count stands beside what is counted, so that a config is plain to its readers. */
struct shared_config {
	struct config config; /* first: what is handed out */
	_Atomic unsigned references;
};

static void fini_paths(struct config_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->items[i]);
	free(paths->items);
}

static void fini_certificates(struct config_certificates *files)
{
	fini_paths(&files->certificates);
	fini_paths(&files->keys);
}

static void fini_listener(struct config_listener *listener)
{
	for (size_t i = 0; i < listener->address_count; i++)
		free(listener->addresses[i]);
	free(listener->addresses);
	network_list_fini(&listener->networks);
	network_list_fini(&listener->proxies);
	fini_certificates(&listener->certificates);
	free(listener->domain);
	free(listener->charset);
	free(listener->name);
}

static void fini_client(struct config_client *client)
{
	free(client->domain);
	free(client->charset);
	free(client->title);
}

static void fini_upstream(struct config_upstream *upstream)
{
	for (size_t i = 0; i < upstream->host_count; i++) {
		free(upstream->hosts[i].name);
		free(upstream->hosts[i].host);
	}
	free(upstream->hosts);
	if (upstream->password != NULL)
		explicit_bzero(upstream->password, strlen(upstream->password));
	free(upstream->password);
	free(upstream->ca_file);
	free(upstream->user);
	free(upstream->name);
}

static void fini(struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++)
		fini_listener(&config->listeners[i]);
	for (size_t i = 0; i < config->client_count; i++)
		fini_client(&config->clients[i]);
	for (size_t i = 0; i < config->upstream_count; i++)
		fini_upstream(&config->upstreams[i]);
	for (size_t i = 0; i < config->route_count; i++)
		free(config->routes[i].pattern);
	fini_certificates(&config->tls);
	free(config->listeners);
	free(config->clients);
	free(config->upstreams);
	free(config->routes);
	free(config->path);
	free(config->hostname);
	free(config->data_dir);
	free(config->admin_socket);
	free(config->user);
	free(config->postmaster);
	free(config->auth_users);
	free(config->auth_pam);
	free(config->auth_saslauthd);
	free(config->auth_dovecot);
	free(config->helpdesk);
	for (size_t i = 0; i < config->domains.count; i++)
		free(config->domains.items[i]);
	free(config->domains.items);
}

static int load(struct config *config, const char *path, struct reason *reason)
{
	struct config_source source = {.path = path};
	struct config_draft draft = {.source = &source, .config = config, .reason = reason};
	int result = config_source_read(&source, path, reason);

	if (result == 0)
		result = config_parse(&draft);
	if (result == 0)
		result = config_check(&draft);
	config_draft_fini(&draft);
	config_source_fini(&source);
	return result;
}

int config_load(const char *path, struct config **out, struct reason *reason)
{
	struct shared_config *shared = calloc(1, sizeof(*shared));
	struct config *config;

	*out = NULL;
	if (shared == NULL)
		return reason_set(reason, "%s: out of memory", path);
	atomic_init(&shared->references, 1);
	config = &shared->config;
	config->path = strdup(path);
	if (config->path == NULL)
		reason_set(reason, "%s: out of memory", path);
	if (config->path == NULL || load(config, path, reason) < 0) {
		config_close(&config);
		return -1;
	}
	*out = config;
	return 0;
}

struct config *config_share(const struct config *config)
{
	struct shared_config *shared = (struct shared_config *)config;

	/* relaxed: the caller's own reference keeps it alive meanwhile */
	atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
	return &shared->config;
}

void config_close(struct config **config)
{
	struct shared_config *shared;

	if (config == NULL || *config == NULL)
		return;
	shared = (struct shared_config *)*config;
	*config = NULL;
	/* release: pairs with the acquire of whoever drops the last one, so that all use of it is over */
	if (atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) > 1)
		return;
	fini(&shared->config);
	free(shared);
}

const struct config_client *config_client_of(
	const struct config *config, const struct address *address)
{
	for (size_t i = 0; i < config->client_count; i++)
		if (network_has(&config->clients[i].network, address))
			return &config->clients[i];
	return NULL;
}

bool config_has_auth(const struct config *config)
{
	return config->auth_users != NULL || config->auth_pam != NULL ||
	       config->auth_saslauthd != NULL || config->auth_dovecot != NULL;
}

const struct config_certificates *config_certificates_of(
	const struct config *config, const struct config_listener *listener)
{
	if (listener->certificates.certificates.count > 0)
		return &listener->certificates;
	return config->tls.certificates.count > 0 ? &config->tls : NULL;
}

const char *config_profile_name(enum profile profile)
{
	static const char *const names[] = {
		[PROFILE_FRAGILE] = "fragile",
		[PROFILE_STANDARD] = "standard",
		[PROFILE_SUBMISSION] = "submission",
	};

	return names[profile];
}
