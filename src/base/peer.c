/*
 * Identifies the client, see peer.h. Run by the listener, by a superserver's monitor before the
 * fork of the gate, and by a gate for a PROXY header. Names are never looked up: a PTR record is
 * a client's claim.
 */

#include "base/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/word.h"

union address {
	struct sockaddr		sa;
	struct sockaddr_in	sin;
	struct sockaddr_in6	sin6;
	struct sockaddr_storage	storage;
};

/*
 * Turns an IPv4-mapped IPv6 address into IPv4, so that a client has one address (RFC 4291,
 * 2.5.5.2).
 */
static void
unmap_ipv4(union address *a)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = a->sin6.sin6_port };

	if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->sin6.sin6_addr))
		return;
	memcpy(&sin.sin_addr, a->sin6.sin6_addr.s6_addr + 12, sizeof(sin.sin_addr));
	a->sin = sin;
}

/* Stores the client's address as octets. */
static void
store_address(struct peer *p, const union address *a)
{
	if (a->sa.sa_family == AF_INET)
		network_from_ipv4(p->address, (const uint8_t *)&a->sin.sin_addr);
	else
		memcpy(p->address, &a->sin6.sin6_addr, NETWORK_ADDRESS_LEN);
	p->loopback = network_is_loopback(p->address);
}

static bool
format_address(const union address *a, char ip[PEER_ADDRESS_SIZE], char port[6])
{
	socklen_t len = a->sa.sa_family == AF_INET ? sizeof(a->sin) : sizeof(a->sin6);

	return getnameinfo(&a->sa, len, ip, PEER_ADDRESS_SIZE, port, 6, NI_NUMERICHOST | NI_NUMERICSERV) == 0;
}

/* Gets the user of a Unix-domain socket's other end (unix(7), SO_PEERCRED). */
static void
get_credentials(struct peer *p, int fd)
{
	struct ucred ucred;
	socklen_t len = sizeof(ucred);

	p->has_uid = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &len) == 0;
	if (p->has_uid)
		p->uid = ucred.uid;
}

/*
 * Gets the client's address. SECURITY: fails after a reset. The local address must not be used
 * instead: it may be listed in --proxy or --unlimited.
 */
static bool
get_remote(int fd, const struct sockaddr_storage *accepted, union address *remote)
{
	socklen_t len = sizeof(*remote);

	memset(remote, 0, sizeof(*remote));
	if (accepted == NULL)
		return getpeername(fd, &remote->sa, &len) == 0;
	remote->storage = *accepted;
	return true;
}

static bool
is_ip(const union address *a)
{
	return a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6;
}

static void
get_local(struct peer *p, int fd)
{
	union address local;
	socklen_t len = sizeof(local);

	if (getsockname(fd, &local.sa, &len) == -1 || !is_ip(&local))
		return;
	unmap_ipv4(&local);
	format_address(&local, p->local_ip, p->local_port);
}

static bool
identify_socket(struct peer *p, int fd, const struct sockaddr_storage *accepted)
{
	union address remote;

	get_local(p, fd);
	if (!get_remote(fd, accepted, &remote)) {
		strcpy(p->ip, "unknown");
		return false;
	}
	p->unix_socket = remote.sa.sa_family == AF_UNIX;
	if (p->unix_socket)
		get_credentials(p, fd);
	if (!is_ip(&remote))
		return true;
	p->kind = PEER_TCP;
	p->tcp_socket = true;
	unmap_ipv4(&remote);
	store_address(p, &remote);
	format_address(&remote, p->ip, p->port);
	return true;
}

/*
 * Reads a numeric address from a variable. Stores it as the client's too, unless client is NULL.
 * Returns false if the variable is unset or not a numeric address.
 */
static bool
read_address(const char *name, char ip[PEER_ADDRESS_SIZE], struct peer *client)
{
	const char *value = getenv(name);
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *found;
	union address a;
	char port[6];
	bool formatted;

	if (value == NULL || getaddrinfo(value, NULL, &hints, &found) != 0)
		return false;
	memset(&a, 0, sizeof(a));
	memcpy(&a, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	unmap_ipv4(&a);
	formatted = format_address(&a, ip, port);
	if (client != NULL)
		store_address(client, &a);
	return formatted;
}

static void
read_port(const char *name, char port[6])
{
	const char *value = getenv(name);

	if (value != NULL && strlen(value) < 6 && value[strspn(value, "0123456789")] == '\0')
		strcpy(port, value);
}

/*
 * Reads the variables of UCSPI TCP (tcpserver), of systemd's Accept=yes, and of superservers that
 * terminate TLS (s6-tlsd, sslserver).
 */
static void
read_environment(struct peer *p)
{
	const char *protocol = getenv("SSL_PROTOCOL"), *cipher = getenv("SSL_CIPHER"), *proto = getenv("PROTO");

	if (read_address("TCPREMOTEIP", p->ip, p))
		read_port("TCPREMOTEPORT", p->port);
	else if (read_address("REMOTE_ADDR", p->ip, p))
		read_port("REMOTE_PORT", p->port);
	if (read_address("TCPLOCALIP", p->local_ip, NULL))
		read_port("TCPLOCALPORT", p->local_port);

	if (protocol != NULL || (proto != NULL && strcmp(proto, "SSL") == 0)) {
		p->kind = PEER_TLS;
		snprintf(p->tls_protocol, sizeof(p->tls_protocol), "%s", protocol != NULL ? protocol : "TLS");
		snprintf(p->tls_cipher, sizeof(p->tls_cipher), "%s", cipher != NULL ? cipher : "unknown");
	} else if (strcmp(p->ip, "local") != 0 || (proto != NULL && strcmp(proto, "TCP") == 0))
		p->kind = PEER_TCP;
}

/*
 * Reads the number of a descriptor from a variable, and makes it close-on-exec. Returns 0 if there
 * is none.
 */
static int
read_descriptor(const char *name)
{
	const char *value = getenv(name);
	int fd;

	if (value == NULL || value[0] == '\0' || strlen(value) > 5 || value[strspn(value, "0123456789")] != '\0')
		return 0;
	fd = atoi(value);
	return fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : 0;
}

/* Finds the descriptors of UCSPI-TLS: all three or none (ucspi-tls(2)). */
static void
find_ucspi_tls(struct peer_ucspi_tls *t)
{
	t->control = read_descriptor("SSLCTLFD");
	t->read = read_descriptor("SSLREADFD");
	t->write = read_descriptor("SSLWRITEFD");
	if (t->read == 0 || t->write == 0)
		t->control = 0;
}

/* Returns an int option of a socket, -1 on error. */
static int
get_option(int fd, int name)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

bool
peer_is_socket(int fd)
{
	return get_option(fd, SO_TYPE) != -1;
}

static bool
is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Returns whether a socket has a local port. A connection keeps it after a reset. */
static bool
has_port(int fd)
{
	union address local;
	socklen_t len = sizeof(local);

	if (getsockname(fd, &local.sa, &len) == -1 || !is_ip(&local))
		return false;
	return (local.sa.sa_family == AF_INET ? local.sin.sin_port : local.sin6.sin6_port) != 0;
}

bool
peer_is_connection(int fd)
{
	union address remote;

	if (!peer_is_socket(fd))
		return is_pipe(fd);
	if (get_option(fd, SO_TYPE) != SOCK_STREAM || get_option(fd, SO_ACCEPTCONN) != 0)
		return false;
	return get_remote(fd, NULL, &remote) || (errno == ENOTCONN && has_port(fd));
}

bool
peer_identify(struct peer *p, int fd, const struct sockaddr_storage *accepted)
{
	bool known = true;

	memset(p, 0, sizeof(*p));
	strcpy(p->ip, "local");
	strcpy(p->local_ip, "local");
	strcpy(p->port, "0");
	strcpy(p->local_port, "0");
	if (peer_is_socket(fd))
		known = identify_socket(p, fd, accepted);
	else
		read_environment(p);
	/*
	 * A pipe of an unprivileged user, as from "ssh host imapgate ...": the other end is that
	 * same user.
	 */
	if (p->kind == PEER_LOCAL && !p->has_uid && geteuid() != 0 && !peer_is_socket(fd)) {
		p->has_uid = true;
		p->uid = geteuid();
	}
	find_ucspi_tls(&p->ucspi_tls);
	return known;
}

bool
peer_is_proxy(const struct peer *p, const struct options *o)
{
	if (!p->tcp_socket && !p->unix_socket)
		return false;
	return p->unix_socket ? o->proxy_unix : network_list_contains(o->proxy, o->n_proxy, p->address);
}

static void
format_endpoint(const struct proxy_endpoint *endpoint, char ip[PEER_ADDRESS_SIZE], char port[6])
{
	bool ipv4 = network_is_ipv4(endpoint->address);

	inet_ntop(ipv4 ? AF_INET : AF_INET6, endpoint->address + (ipv4 ? 12 : 0), ip, PEER_ADDRESS_SIZE);
	snprintf(port, 6, "%u", endpoint->port);
}

static void
replace_addresses(struct peer *p, const struct proxy *header)
{
	/* The client is local only if proxy and client are both on this host. */
	p->loopback = (p->loopback || p->kind == PEER_LOCAL) && network_is_loopback(header->source.address);
	p->kind = PEER_TCP;
	memcpy(p->address, header->source.address, NETWORK_ADDRESS_LEN);
	format_endpoint(&header->source, p->ip, p->port);
	format_endpoint(&header->destination, p->local_ip, p->local_port);
}

bool
peer_replace(struct peer *p, const struct proxy *header)
{
	if (header->client > PROXY_TCP || (header->tls && (!word_is_plain(header->tls_protocol) || !word_is_plain(header->tls_cipher))))
		return false;
	if (header->client == PROXY_ITSELF)
		return true;
	snprintf(p->proxy, sizeof(p->proxy), "%s", p->ip);
	/* SECURITY: the kernel's credentials are the proxy's, not its client's. */
	p->has_uid = false;
	if (header->client == PROXY_TCP)
		replace_addresses(p, header);
	else
		p->loopback = false;
	if (header->client == PROXY_UNKNOWN)
		p->kind = PEER_TCP;
	if (header->tls) {
		p->kind = PEER_TLS;
		strcpy(p->tls_protocol, header->tls_protocol);
		strcpy(p->tls_cipher, header->tls_cipher);
	}
	return true;
}

void
peer_set_log_context(const struct peer *p)
{
	log_context("rip", p->ip);
	log_context("rport", p->port);
	log_context("lip", p->local_ip);
	log_context("lport", p->local_port);
	log_context("tls", p->kind == PEER_TLS ? p->tls_protocol : "none");
	log_context("cipher", p->kind == PEER_TLS ? p->tls_cipher : "none");
	if (p->proxy[0] != '\0')
		log_context("proxy", p->proxy);
}
