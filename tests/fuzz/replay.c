/*
 * Runs a fuzz target over files, without libFuzzer: the corpus is part of
 * the tests. Each file has a process of its own, so that one that fails
 * hides none behind it. Arguments are files, or folders of them.
 */

#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nothing longer makes a difference to what is fuzzed. */
#define FILE_MAX	(1024 * 1024)

static unsigned passed, failed, skipped;

static void
run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size > 0 ? size : 1);

	MUST(exact != NULL);
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	_exit(0);
}

static void
replay_file(const char *path)
{
	static uint8_t data[FILE_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;
	int status;
	pid_t pid;

	if (file == NULL) {
		perror(path);
		skipped++;
		return;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run(data, size);
	if (pid != -1 && waitpid(pid, &status, 0) == pid && status == 0) {
		passed++;
		return;
	}
	printf("failed: %s\n", path);
	failed++;
}

static void
replay(const char *path)
{
	struct stat st;
	struct dirent *entry;
	char inner[4096];
	DIR *dir;

	if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode) || (dir = opendir(path)) == NULL) {
		replay_file(path);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) < (int)sizeof(inner))
			replay(inner);
	}
	closedir(dir);
}

int
main(int argc, char *argv[])
{
	int i;

	for (i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed > 0 || passed == 0;
}
