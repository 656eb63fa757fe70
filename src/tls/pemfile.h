#ifndef IMAPGATE_PEMFILE_H
#define IMAPGATE_PEMFILE_H

#include <stddef.h>

/* The contents that a PEM file (RFC 7468) should have. */
enum pemfile_kind {
	PEMFILE_CERTIFICATE,
	PEMFILE_KEY,
	PEMFILE_REVOCATIONS,
};

/*
 * Explains why OpenSSL does not find such contents in a text of len octets, for common mistakes:
 * the file has other contents, or two parts were joined without a line end. Returns a text that
 * fits after the file's name and a colon; NULL if no mistake is known.
 */
const char	*pemfile_explain(enum pemfile_kind, const char *text, size_t len);

/*
 * Explains the same for a file, of which at most 64 KiB are read. Returns strerror(3) for a file
 * that can't be read, such as a directory. The text is valid until the next call.
 */
const char	*pemfile_explain_file(enum pemfile_kind, const char *path);

#endif
