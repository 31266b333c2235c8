#include "admin/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void read_memory(struct process_report *out)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t total, resident;

	if (file == NULL)
		return;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) == 2) {
		out->virtual_bytes = total * page_bytes;
		out->resident_bytes = resident * page_bytes;
	}
	fclose(file);
}

static void count_descriptors(struct process_report *out)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL)
		out->open_fds += entry->d_name[0] != '.';
	out->open_fds--; /* the folder's own */
	closedir(folder);
}

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

void process_read(struct process_report *out)
{
	struct rusage usage;
	struct rlimit limit;

	*out = (struct process_report){0};
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		out->cpu_seconds = seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		out->max_fds = limit.rlim_cur;
	read_memory(out);
	count_descriptors(out);
}
