/*
 * replay.c: runs a fuzz target over the files of a folder, so that seeds and found bugs are part of the ordinary run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define INPUT_MAX (1u << 20)

/* Returns 1, or 0 when it is no plain file. */
static int replay_file(const char *folder, const char *name)
{
	static uint8_t input[INPUT_MAX];
	char path[4096];
	size_t size;
	FILE *file;

	if (name[0] == '.')
		return 0;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	LLVMFuzzerTestOneInput(input, size);
	return 1;
}

int main(int count, char **arguments)
{
	int replayed = 0;

	for (int i = 1; i < count; i++) {
		DIR *folder = opendir(arguments[i]);

		if (folder == NULL) {
			perror(arguments[i]);
			return 1;
		}
		for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
			replayed += replay_file(arguments[i], entry->d_name);
		closedir(folder);
	}
	printf("%d inputs\n", replayed);
	return replayed > 0 ? 0 : 1; /* an empty folder proves nothing */
}
