#include "admin/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define NOBODY_UID ((uid_t)-1)

/* Whether `wanted` is among the peer's supplementary groups. */
static bool has_group(int fd, gid_t wanted)
{
	socklen_t size = 64 * sizeof(gid_t);
	gid_t *groups = malloc(size);
	bool found = false;

	if (groups == NULL)
		return false;
	/* Too small a room is answered with ERANGE and the size that it needs. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
		gid_t *grown = errno == ERANGE ? realloc(groups, size) : NULL;

		if (grown == NULL) {
			free(groups);
			return false;
		}
		groups = grown;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
			size = 0;
	}
	for (size_t i = 0; i < size / sizeof(*groups) && !found; i++)
		found = groups[i] == wanted;
	free(groups);
	return found;
}

void peer_identify(int fd, struct peer_identity *out)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	*out = (struct peer_identity){.uid = NOBODY_UID};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return;
	out->uid = credentials.uid;
	out->allowed = credentials.uid == 0 || credentials.uid == geteuid() ||
		       credentials.gid == getegid() || has_group(fd, getegid());
}
