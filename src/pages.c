/* Memory taken before it is touched, see pages.h. Run by the listener's children and by a superserver's monitor. */

#include "pages.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

/* Larger ones are not looked through. */
#define MAPPING_MAX	((uintptr_t)64 * 1024 * 1024)

/* An entry of /proc/PID/pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst). */
#define PRESENT		(1ULL << 63)
#define EXCLUSIVE	(1ULL << 56)

static uintptr_t
page_size(void)
{
	return (uintptr_t)sysconf(_SC_PAGESIZE);
}

/* Adds a page: to the last range, if it is next to it. */
static void
add(struct pages *p, uintptr_t at)
{
	struct iovec *last = p->n > 0 ? &p->range[p->n - 1] : NULL;

	if (last != NULL && (uintptr_t)last->iov_base + last->iov_len == at)
		last->iov_len += page_size();
	else if (p->n < PAGES_RANGES)
		p->range[p->n++] = (struct iovec){ (void *)at, page_size() };
}

/* Adds those of a mapping that are in no other process. */
static void
add_own(struct pages *p, int pagemap, uintptr_t at, uintptr_t end)
{
	uint64_t entry[512];
	size_t i, n;

	for (; at < end; at += n * page_size()) {
		n = (end - at) / page_size();
		if (n > sizeof(entry) / sizeof(entry[0]))
			n = sizeof(entry) / sizeof(entry[0]);
		if (pread(pagemap, entry, n * sizeof(entry[0]), (off_t)(at / page_size() * sizeof(entry[0]))) != (ssize_t)(n * sizeof(entry[0])))
			return;
		for (i = 0; i < n; i++)
			if ((entry[i] & (PRESENT | EXCLUSIVE)) == (PRESENT | EXCLUSIVE))
				add(p, at + i * page_size());
	}
}

/* Private and writable, and no giant: the sanitizers reserve terabytes. */
static bool
is_of_interest(const char *line, uintptr_t *at, uintptr_t *end)
{
	char writable, shared;

	return sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*c%c%*c%c", at, end, &writable, &shared) == 4 &&
	    writable == 'w' && shared == 'p' && *end - *at <= MAPPING_MAX;
}

void
pages_find_written(struct pages *p)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uintptr_t at, end;
	char line[512];

	p->n = 0;
	/* What a long name leaves for the next line does not look like one. */
	while (maps != NULL && pagemap != -1 && fgets(line, sizeof(line), maps) != NULL)
		if (is_of_interest(line, &at, &end))
			add_own(p, pagemap, at, end);
	if (maps != NULL)
		fclose(maps);
	if (pagemap != -1)
		close(pagemap);
}

void
pages_take(const struct pages *p)
{
	/* It may be memory that others write to. */
	for (size_t i = 0; i < p->n && i < PAGES_RANGES; i++)
		madvise(p->range[i].iov_base, p->range[i].iov_len, MADV_POPULATE_WRITE);
}

void
pages_take_range(void *at, size_t size)
{
	uintptr_t first = ((uintptr_t)at + page_size() - 1) & ~(page_size() - 1);
	uintptr_t end = ((uintptr_t)at + size) & ~(page_size() - 1);

	if (first < end)
		madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}
