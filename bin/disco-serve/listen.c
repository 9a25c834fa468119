/* The sockets that we listen on: by name, or handed to us by the service manager. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "duration.h"
#include "sandbox.h"
#include "serve.h"
#include "version.h"

#define PAUSE_MS 200 /* when there are no descriptors left */
#define SPARE_FDS 32 /* for ourselves, and as many again that nothing takes */
#define FIRST_FD 3   /* of those that the service manager hands over */

static struct evhttp_bound_socket *sockets[LISTENS + 16];
static struct evhttp *owners[LISTENS + 16];
static struct loop_event *on_pause;
static char *paths[LISTENS]; /* of Unix sockets, to be removed */
static size_t socket_count, path_count;

void listen_patient(struct bufferevent *bev)
{
	struct timeval wait = milliseconds(serve.idle_ms);

	/*
	 * A timeout that is taken away while nothing is read stays in libevent's
	 * mind and comes back with the next byte: so it is set first.
	 */
	bufferevent_enable(bev, EV_READ);
	bufferevent_set_timeouts(bev, &wait, &wait);
	bufferevent_set_timeouts(bev, NULL, &wait);
}

/* Takes no connection for a while: the others wait in the kernel's queue. */
static void pause_accepting(void)
{
	static const struct timeval pause = {0, PAUSE_MS * 1000};

	for (size_t i = 0; i < socket_count; i++)
		evconnlistener_disable(evhttp_bound_socket_get_listener(sockets[i]));
	evtimer_add(on_pause, &pause);
}

/* Whether there is room for one more: the kernel gives the lowest free number. */
static bool has_room(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0 && fd < serve.connections + SPARE_FDS;
}

static void go_on(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (!has_room())
		pause_accepting();
	else
		for (size_t i = 0; i < socket_count; i++)
			evconnlistener_enable(evhttp_bound_socket_get_listener(sockets[i]));
}

/* Without this libevent would try again at once, for ever. */
static void cannot_accept(struct evconnlistener *listener, void *arg)
{
	(void)listener, (void)arg;
	pause_accepting();
}

static struct bufferevent *accepted(struct bufferevent *bev)
{
	if (!has_room())
		pause_accepting();
	/* evhttp would make one of its own, without TLS and a door. */
	if (bev == NULL)
		errx(EXIT_CANNOT, "out of memory");
	bufferevent_setwatermark(bev, EV_READ, 0, ahead_largest());
	door_add(bev);
	return bev;
}

static struct bufferevent *accepted_plain(struct event_base *base, void *arg)
{
	(void)arg;
	return accepted(bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE));
}

static struct bufferevent *accepted_tls(struct event_base *base, void *arg)
{
	(void)arg;
	return accepted(tls_accept(base));
}

static bool is_unix(int fd)
{
	int family = 0;
	socklen_t len = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family == AF_UNIX;
}

/* What connections inherit; on a Unix socket it means nothing. */
static void socket_set(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* TLS is for what goes over a network. */
static void serve_on(int fd)
{
	struct evhttp *http = serve.cert != NULL && !is_unix(fd) ? serve.https : serve.http;
	struct evhttp_bound_socket *bound;

	if (evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0)
		err(EXIT_CANNOT, "listen");
	bound = evhttp_accept_socket_with_handle(http, fd);
	if (bound == NULL)
		err(EXIT_CANNOT, "listen");
	evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound), cannot_accept);
	sockets[socket_count] = bound;
	owners[socket_count++] = http;
}

/* Adds where a socket is found, and refuses one that other machines reach. */
static void address_add(int fd)
{
	struct sockaddr_storage at = {0};
	struct sockaddr_un *un = (struct sockaddr_un *)&at;
	socklen_t len = sizeof(at);
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool six = false;

	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		err(EXIT_CANNOT, "getsockname");
	text_string(&serve.ready, serve.ready.len > 0 ? " " : "");
	if (at.ss_family == AF_UNIX) {
		text_printf(&serve.ready, "unix:%s", un->sun_path);
		if (serve.port[0] == '\0')
			snprintf(serve.port, sizeof(serve.port), "%.50s",
				 strrchr(un->sun_path, '/') != NULL ? strrchr(un->sun_path, '/') + 1
								    : un->sun_path);
		return;
	}
	if (getnameinfo((struct sockaddr *)&at, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		errx(EXIT_CANNOT, "getnameinfo");
	six = at.ss_family == AF_INET6;
	text_printf(&serve.ready, six ? "%s://[%s]:%s" : "%s://%s:%s",
		    serve.cert != NULL ? "https" : "http", host, port);
	if (serve.address[0] == '\0') {
		snprintf(serve.port, sizeof(serve.port), "%s", port);
		snprintf(serve.address, sizeof(serve.address), six ? "[%s]:%s" : "%s:%s", host,
			 port);
	}
	if (!serve.insecure && serve.tokens == NULL && strncmp(host, "127.", 4) != 0 &&
	    strcmp(host, "::1") != 0)
		errx(EXIT_USAGE,
		     "--listen %s: others could reach this, and all may read and send: see "
		     "--tokens; "
		     "--insecure if that is meant",
		     host);
}

static void listen_unix(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), old;
	struct stat st;

	if (strlen(path) >= sizeof(at.sun_path))
		errx(EXIT_USAGE, "--listen %s: too long for a socket", path);
	memcpy(at.sun_path, path, strlen(path));
	if (fd < 0)
		err(EXIT_CANNOT, "socket");
	/* One that nobody answers at is left from a server that was killed. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		old = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(old, (struct sockaddr *)&at, sizeof(at)) < 0 && errno == ECONNREFUSED)
			unlink(path);
		close(old);
	}
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1024) < 0)
		err(EXIT_CANNOT, "--listen %s", path);
	paths[path_count++] = strdup(path);
	cage_allow_folder(path, SANDBOX_REMOVE); /* at the end */
	address_add(fd);
	serve_on(fd);
}

/* "127.0.0.1:9090", "[::1]:9090", "*:9090", ":9090". */
static void listen_inet(const char *where)
{
	static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const char *colon = strrchr(where, ':'), *host = where, *why;
	char name[NI_MAXHOST];
	struct addrinfo *found, *at;
	int64_t port;
	size_t len;
	int on = 1, off = 0, fd, error;

	if (colon == NULL)
		errx(EXIT_USAGE, "--listen %s: write address:port, or unix:/path", where);
	why = number_parse(colon + 1, 0, 65535, &port);
	if (why != NULL)
		errx(EXIT_USAGE, "--listen %s: port: %s", where, why);
	len = (size_t)(colon - host);
	if (*host == '[' && len > 1 && colon[-1] == ']') {
		host++;
		len -= 2;
	}
	if (snprintf(name, sizeof(name), "%.*s", (int)len, host) >= (int)sizeof(name))
		errx(EXIT_USAGE, "--listen %s: too long", where);
	error = getaddrinfo(*name == '\0' || strcmp(name, "*") == 0 ? NULL : name, colon + 1,
			    &hints, &found);
	if (error != 0)
		errx(EXIT_CANNOT, "--listen %s: %s", where, gai_strerror(error));
	at = found;
	/* All addresses: by one socket for both families where there is one. */
	for (; *name == '\0' && at->ai_next != NULL && at->ai_family != AF_INET6; at = at->ai_next)
		;
	fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(EXIT_CANNOT, "--listen %s", where);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, *name == '\0' ? &off : &on, sizeof(on));
	socket_set(fd);
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, 1024) < 0)
		err(EXIT_CANNOT, "--listen %s", where);
	freeaddrinfo(found);
	address_add(fd);
	serve_on(fd);
}

/* The sockets that a service manager opened for us.  How many. */
static int listen_activated(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int64_t number, fds;

	if (pid == NULL || count == NULL || number_parse(pid, 1, INT32_MAX, &number) != NULL ||
	    number != getpid() || number_parse(count, 1, 16, &fds) != NULL)
		return 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (int fd = FIRST_FD; fd < FIRST_FD + fds; fd++) {
		socket_set(fd);
		address_add(fd);
		serve_on(fd);
	}
	return (int)fds;
}

/* So many connections, and always some descriptors for ourselves. */
static void limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < 4 * SPARE_FDS)
		errx(EXIT_CANNOT, "only %llu descriptors may be open (see ulimit -n)",
		     (unsigned long long)limit.rlim_max);
	if ((rlim_t)serve.connections > limit.rlim_max - 2 * SPARE_FDS)
		serve.connections = (int64_t)limit.rlim_max - 2 * SPARE_FDS;
	limit.rlim_cur = (rlim_t)serve.connections + 2 * SPARE_FDS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void listen_open(void)
{
	int activated;

	limit();
	on_pause = evtimer_new(serve.base, go_on, NULL);
	doors_open();
	evhttp_set_bevcb(serve.http, accepted_plain, NULL);
	evhttp_set_bevcb(serve.https, accepted_tls, NULL);
	activated = listen_activated();
	if (activated == 0 && serve.listen_count == 0)
		serve.listens[serve.listen_count++] = "127.0.0.1:9090";
	for (size_t i = 0; i < serve.listen_count; i++) {
		if (strncmp(serve.listens[i], "unix:", 5) == 0)
			listen_unix(serve.listens[i] + 5);
		else if (serve.listens[i][0] == '/')
			listen_unix(serve.listens[i]);
		else
			listen_inet(serve.listens[i]);
	}
}

void listen_close(void)
{
	for (size_t i = 0; i < socket_count; i++)
		evhttp_del_accept_socket(owners[i], sockets[i]);
	socket_count = 0;
	for (size_t i = 0; i < path_count; i++)
		unlink(paths[i]);
}
