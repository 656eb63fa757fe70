/*
 * Error texts for PEM files that OpenSSL can't use, see pemfile.h. Run by the process that loads
 * the file, usually as root and before there is a client. The file may contain a private key: the
 * texts have nothing of the file, and the buffer is wiped.
 */

#include "tls/pemfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX	(64 * 1024)

#define BEGIN		"-----BEGIN "

static bool
contains_text(const char *text, size_t len, const char *word)
{
	return memmem(text, len, word, strlen(word)) != NULL;
}

/* Returns whether a part begins in the middle of a line. OpenSSL reports that line as malformed. */
static bool
has_joined_parts(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	while ((at = memmem(at, (size_t)(end - at), BEGIN, strlen(BEGIN))) != NULL) {
		/* A byte order mark may begin the file. */
		if (at > text && at[-1] != '\n' && at[-1] != '\r' && !(at == text + 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0))
			return true;
		at += strlen(BEGIN);
	}
	return false;
}

const char *
pemfile_explain(enum pemfile_kind kind, const char *text, size_t len)
{
	bool certificate = contains_text(text, len, BEGIN "CERTIFICATE-----");
	bool key = contains_text(text, len, "PRIVATE KEY-----");

	if (has_joined_parts(text, len))
		return "a line end is missing before \"-----BEGIN\"";
	if (kind == PEMFILE_CERTIFICATE && !certificate && key)
		return "it holds a private key and no certificate";
	if (kind == PEMFILE_CERTIFICATE && !certificate && contains_text(text, len, "CERTIFICATE REQUEST-----"))
		return "it holds a certificate request; use the certificate that the authority issued";
	if (kind == PEMFILE_KEY && !key && certificate)
		return "it holds a certificate and no private key";
	if (kind == PEMFILE_REVOCATIONS && certificate && !contains_text(text, len, BEGIN "X509 CRL-----"))
		return "it holds a certificate and no revocation list";
	return NULL;
}

const char *
pemfile_explain_file(enum pemfile_kind kind, const char *path)
{
	static char text[TEXT_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *error;
	size_t len = 0;
	ssize_t n = -1;

	if (fd != -1)
		while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) > 0)
			len += (size_t)n;
	error = n == -1 ? strerror(errno) : pemfile_explain(kind, text, len);
	if (fd != -1)
		close(fd);
	/* SECURITY: the file may contain a private key. */
	explicit_bzero(text, len);
	return error;
}
