#ifndef IMAPGATE_CERTFILE_H
#define IMAPGATE_CERTFILE_H

/*
 * Files of certificates and revocation lists, which may contain private keys too. The keys are
 * removed and wiped before OpenSSL gets the text, because OpenSSL decodes even blocks that it
 * skips, and stdio does not wipe its buffers.
 */

#include <openssl/bio.h>
#include <stddef.h>

/* Room for a chain of a dozen certificates, in octets. */
#define CERTFILE_CHAIN_MAX	(64 * 1024)

/* Room for CA files and revocation lists, some of which have many thousand entries; in octets. */
#define CERTFILE_LIST_MAX	(64 * 1024 * 1024)

/*
 * Reads a PEM file of at most max octets. Returns the text that certfile_filter() keeps, to be
 * freed by BIO_free(3); or NULL with errno if the file can't be read or is larger (EFBIG).
 */
BIO	*certfile_read(const char *path, size_t max);

/*
 * Keeps the certificates and revocation lists of a PEM text (RFC 7468), in place and unchanged
 * even if malformed, and wipes everything else. A block without an end line ends where the next
 * one begins. Returns the number of octets kept.
 */
size_t	certfile_filter(char *text, size_t len);

#endif
