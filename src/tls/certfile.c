/*
 * Files of certificates, see certfile.h. Run by the process that loads certificates and by
 * --check, usually as root. Reads files of the administrator.
 */

#include "tls/certfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN	"-----BEGIN "
#define END	"-----END "

/* In UTF-8. Some editors write a byte order mark at the start of a file. */
#define BYTE_ORDER_MARK	"\xef\xbb\xbf"

static const char *const labels[] = { "CERTIFICATE-----", "X509 CERTIFICATE-----", "TRUSTED CERTIFICATE-----", "X509 CRL-----" };

static bool
starts_with(const char *line, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

/* Returns whether a BEGIN line begins a block that is kept. */
static bool
begins_wanted_block(const char *line, size_t len)
{
	size_t i, begin = strlen(BEGIN);

	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (starts_with(line + begin, len - begin, labels[i]))
			return true;
	return false;
}

size_t
certfile_filter(char *text, size_t len)
{
	char *line = text, *end = text + len, *to = text;
	bool wanted = false;

	/* OpenSSL skips a byte order mark too. */
	if (starts_with(text, len, BYTE_ORDER_MARK))
		line += strlen(BYTE_ORDER_MARK);
	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t n = newline != NULL ? (size_t)(newline + 1 - line) : (size_t)(end - line);
		bool last = starts_with(line, n, END);

		if (starts_with(line, n, BEGIN))
			wanted = begins_wanted_block(line, n);
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

/*
 * Reads a whole file into text, which has size octets. Returns the file's length; or -1 with errno
 * if the file does not fit (EFBIG) or can't be read.
 */
static ssize_t
read_all(int fd, char *text, size_t size)
{
	ssize_t n;
	size_t len = 0;

	while ((n = read(fd, text + len, size - len)) > 0 && len + (size_t)n < size)
		len += (size_t)n;
	if (n > 0)
		errno = EFBIG;
	if (n != 0)
		explicit_bzero(text, n > 0 ? size : len);
	return n == 0 ? (ssize_t)len : -1;
}

/* Returns the text that certfile_filter() keeps in a new BIO; NULL with ENOMEM. */
static BIO *
make_bio(char *text, size_t len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	size_t kept = certfile_filter(text, len);

	if (bio != NULL && (kept == 0 || BIO_write(bio, text, (int)kept) == (int)kept))
		return bio;
	BIO_free(bio);
	errno = ENOMEM;
	return NULL;
}

static BIO *
read_file(int fd, size_t max)
{
	struct stat st;
	char *text;
	ssize_t len;
	BIO *bio;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size < max)
		max = (size_t)st.st_size;
	/* One octet more, to detect a file that is too large. */
	text = malloc(max + 1);
	len = text != NULL ? read_all(fd, text, max + 1) : -1;
	bio = len != -1 ? make_bio(text, (size_t)len) : NULL;
	if (len != -1)
		explicit_bzero(text, (size_t)len);
	free(text);
	return bio;
}

BIO *
certfile_read(const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), error;
	BIO *bio;

	if (fd == -1)
		return NULL;
	bio = read_file(fd, max);
	error = errno;
	close(fd);
	errno = error;
	return bio;
}
