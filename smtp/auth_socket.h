/*
 * auth_socket.h: sockets of those who keep accounts in a daemon of their own.
 *
 * Threads: any. Errors: -errno.
 */
#ifndef SLUICE_SMTP_AUTH_SOCKET_H
#define SLUICE_SMTP_AUTH_SOCKET_H

/* A stream that never blocks, connected. -EAGAIN: too many wait there already. */
int auth_socket_open(const char *path);

#endif
