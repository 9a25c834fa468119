/* TLS: certificates, and who a client's certificate says it is. */
#include <err.h>
#include <event2/bufferevent_ssl.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "serve.h"
#include "version.h"

static SSL_CTX *context;

static const char *reason_of(unsigned long code)
{
	const char *words =
	    ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	return words != NULL ? words : "cannot be used";
}

/* What OpenSSL says of the first thing that went wrong; the others follow from it. */
static const char *reason(void)
{
	const char *words = reason_of(ERR_peek_error());

	ERR_clear_error();
	return words;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *room, int size, int writing, void *arg)
{
	(void)room, (void)size, (void)writing, (void)arg;
	return -1;
}

static bool key_private(const char *path)
{
	struct stat st;
	const char *why;

	if (stat(path, &st) < 0) {
		warn("--key %s", path);
		return false;
	}
	why = file_private(&st);
	if (why != NULL)
		warnx("--key %s: %s", path, why);
	return why == NULL;
}

/* Whether another --client-ca is in force than when this was asked before. */
static bool clients_changed(void)
{
	static unsigned char known[SHA256_DIGEST_LENGTH];
	unsigned char now[sizeof(known)];
	int fd = serve.client_ca != NULL ? open(serve.client_ca, O_RDONLY | O_CLOEXEC) : -1;
	struct text text = {0};
	bool changed;

	if (fd >= 0) {
		file_read(fd, &text);
		close(fd);
	}
	SHA256((const unsigned char *)text_cstr(&text), text.len, now);
	text_free(&text);
	changed = memcmp(known, now, sizeof(known)) != 0;
	memcpy(known, now, sizeof(known));
	return changed;
}

static bool clients_known(SSL_CTX *ctx)
{
	STACK_OF(X509_NAME) * names;

	if (serve.client_ca == NULL)
		return true;
	names = SSL_load_client_CA_file(serve.client_ca);
	if (names == NULL || SSL_CTX_load_verify_locations(ctx, serve.client_ca, NULL) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		warnx("--client-ca %s: %s", serve.client_ca, reason());
		return false;
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	/* Who has none may have a token. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return true;
}

static SSL_CTX *context_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL) {
		warnx("TLS: %s", reason());
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"disco", 5);
	if (SSL_CTX_use_certificate_chain_file(ctx, serve.cert) != 1) {
		warnx("--cert %s: %s", serve.cert, reason());
	} else if (!key_private(serve.key)) {
		;
	} else if (SSL_CTX_use_PrivateKey_file(ctx, serve.key, SSL_FILETYPE_PEM) != 1 ||
		   SSL_CTX_check_private_key(ctx) != 1) {
		warnx("--key %s: %s", serve.key, reason());
	} else if (clients_known(ctx)) {
		return ctx;
	}
	SSL_CTX_free(ctx);
	return NULL;
}

void tls_open(void)
{
	if (serve.cert == NULL)
		return;
	context = context_new();
	if (context == NULL)
		exit(EXIT_USAGE);
	clients_changed();
}

bool tls_reload(void)
{
	SSL_CTX *fresh = serve.cert != NULL ? context_new() : NULL;

	if (fresh == NULL) {
		if (serve.cert != NULL)
			warnx("TLS: what was in force stays");
		return false;
	}
	SSL_CTX_free(context);
	context = fresh;
	warnx("%s: read again", serve.cert);
	return clients_changed();
}

struct bufferevent *tls_accept(struct event_base *base)
{
	SSL *ssl = SSL_new(context);
	struct bufferevent *bev;

	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	/* Where there is none the SSL is gone too. */
	if (bev != NULL)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

bool tls_is(struct bufferevent *bev)
{
	return bufferevent_openssl_get_ssl(bev) != NULL;
}

const char *tls_failure(struct bufferevent *bev)
{
	static char words[120];
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	unsigned long code = ssl != NULL ? bufferevent_get_openssl_error(bev) : 0;

	/* One who goes away in the middle says nothing that is worth a line. */
	if (code == 0 || SSL_is_init_finished(ssl))
		return NULL;
	snprintf(words, sizeof(words), "TLS: %s", reason_of(code));
	return words;
}

/* Whether what was good at the handshake is so now, when the files were read again since. */
static bool is_trusted(SSL *ssl, X509 *certificate)
{
	X509_STORE_CTX *store;
	bool good;

	if (SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	if (SSL_get_SSL_CTX(ssl) == context)
		return true;
	store = X509_STORE_CTX_new();
	good = store != NULL &&
	       X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context), certificate,
				   SSL_get_peer_cert_chain(ssl)) == 1 &&
	       X509_STORE_CTX_set_default(store, "ssl_client") == 1 && X509_verify_cert(store) == 1;
	X509_STORE_CTX_free(store);
	ERR_clear_error();
	return good;
}

const char *tls_name(struct bufferevent *bev)
{
	static char name[128 + 1];
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	X509 *certificate = ssl != NULL ? SSL_get0_peer_certificate(ssl) : NULL;
	X509_NAME *subject;
	int at, len;

	if (certificate == NULL || !is_trusted(ssl, certificate))
		return NULL;
	subject = X509_get_subject_name(certificate);
	at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	/* Of two names none is meant. */
	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return NULL;
	len = X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof(name));
	return len > 0 && (size_t)len == strlen(name) ? name : NULL;
}
