/*
 * Files of certificates, see certfile.h. Run as root, by the process that
 * makes TLS ready, from which gates are forked.
 */

#include "certfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEGIN	"-----BEGIN "
#define END	"-----END "

static const char *const labels[] = { "CERTIFICATE-----", "X509 CERTIFICATE-----", "TRUSTED CERTIFICATE-----", "X509 CRL-----" };

static bool
starts_with(const char *line, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

static bool
begins_wanted(const char *line, size_t len)
{
	size_t i, begin = strlen(BEGIN);

	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (starts_with(line + begin, len - begin, labels[i]))
			return true;
	return false;
}

size_t
certfile_cut(char *text, size_t len)
{
	char *line = text, *end = text + len, *to = text;
	bool wanted = false;

	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t n = newline != NULL ? (size_t)(newline + 1 - line) : (size_t)(end - line);
		bool last = starts_with(line, n, END);

		if (starts_with(line, n, BEGIN))
			wanted = begins_wanted(line, n);
		if (wanted) {
			memmove(to, line, n);
			to += n;
		}
		wanted = wanted && !last;
		line += n;
	}
	explicit_bzero(to, (size_t)(end - to));
	return (size_t)(to - text);
}

/* Reads up to size octets. Returns how many, -1 with errno if that is not all. */
static ssize_t
read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = -1;
	size_t len = 0;

	while (fd != -1 && (n = read(fd, text + len, size - len)) > 0 && len + (size_t)n < size)
		len += (size_t)n;
	if (fd != -1)
		close(fd);
	if (n > 0)
		errno = EFBIG;
	if (n != 0)
		explicit_bzero(text, n > 0 ? size : len);
	return n == 0 ? (ssize_t)len : -1;
}

/* Takes what certfile_cut leaves of the text; NULL if there is no memory for it. */
static BIO *
to_bio(char *text, size_t len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	size_t kept = certfile_cut(text, len);

	if (bio != NULL && (kept == 0 || BIO_write(bio, text, (int)kept) == (int)kept))
		return bio;
	BIO_free(bio);
	errno = ENOMEM;
	return NULL;
}

BIO *
certfile_read(const char *path, size_t max)
{
	/* One octet more, by which a file that is too large is known. */
	char *text = malloc(max + 1);
	ssize_t len = text != NULL ? read_file(path, text, max + 1) : -1;
	BIO *bio = len != -1 ? to_bio(text, (size_t)len) : NULL;

	if (len != -1)
		explicit_bzero(text, (size_t)len);
	free(text);
	return bio;
}
