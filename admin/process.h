/*
 * process.h: what this process uses: CPU, memory, descriptors; from getrusage(2) and /proc/self.
 *
 * Threads: any. Errors: what cannot be read is 0.
 */
#ifndef SLUICE_ADMIN_PROCESS_H
#define SLUICE_ADMIN_PROCESS_H

#include <stdint.h>

struct process_report {
	double cpu_seconds;
	uint64_t virtual_bytes, resident_bytes;
	uint64_t open_fds, max_fds;
};

void process_read(struct process_report *out);

#endif
