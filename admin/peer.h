/*
 * peer.h: who is at the other end of a Unix socket, and whether they may use the admin socket.
 *
 * The kernel is asked (SO_PEERCRED, SO_PEERGROUPS), with the groups that the peer had when it connected: no look into a
 * user database, which could block.
 * Threads: any.
 */
#ifndef SLUICE_ADMIN_PEER_H
#define SLUICE_ADMIN_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct peer_identity {
	uid_t uid;
	bool allowed; /* root, our own user, or a member of our own group */
};

/* What cannot be asked is not allowed. */
void peer_identify(int fd, struct peer_identity *out);

#endif
