/* TLS: the server is checked, always; what vouches for us is shown to it; and what went wrong, in
 * words. */
#include <err.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "http.h"

void tls_check(const struct server *server)
{
	const struct trust *trust = &server->trust;
	const char *const files[] = {trust->cacert, trust->cert, trust->key};

	if (trust->key != NULL && trust->cert == NULL)
		errx(EXIT_USAGE, "--key: goes with --cert");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i] != NULL && access(files[i], R_OK) != 0)
			err(EXIT_CANNOT, "%s", files[i]);
}

void tls_init(CURL *curl, const struct server *server)
{
	const struct trust *trust = &server->trust;

	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (trust->cacert != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, trust->cacert);
	if (trust->cert == NULL)
		return;
	curl_easy_setopt(curl, CURLOPT_SSLCERT, trust->cert);
	curl_easy_setopt(curl, CURLOPT_SSLKEY, trust->key != NULL ? trust->key : trust->cert);
	/* Nobody is there who could be asked for a passphrase. */
	curl_easy_setopt(curl, CURLOPT_KEYPASSWD, "");
	/* The key is a secret too, and in our memory from now on. */
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		err(EXIT_CANNOT, "prctl");
}

bool tls_words(const struct exchange *x, struct text *words)
{
	/* What OpenSSL says in the middle of what libcurl says, and what it means here. */
	static const struct {
		const char *sign, *meaning;
	} known[] = {
	    {"unable to get local issuer", "nobody we trust vouches for it; see --cacert"},
	    {"self-signed certificate", "nobody we trust vouches for it; see --cacert"},
	    {"self signed certificate", "nobody we trust vouches for it; see --cacert"},
	    {"certificate has expired", "it has expired"},
	    {"not yet valid", "it is not valid yet"},
	    {"subject name", "it is for another name than this server's"},
	    {"certificate required", "the server wants to see ours; see --cert"},
	    {"handshake failure", "the server wants to see ours, or none of its ciphers will do"},
	    {"unknown ca", "the server does not trust who vouches for ours"},
	    {"bad certificate", "the server will not have ours"},
	    {"certificate expired", "the server says that ours has expired"},
	    {"alert certificate", "the server will not have ours"},
	    {"private key", "the key of ours does not fit it, or needs a passphrase"},
	    {"could not load PEM", "ours is not in PEM, or no certificate"},
	};
	static const char prefix[] = "SSL certificate problem: ";
	const char *error = x->error;

	if (x->code != CURLE_SSL_CONNECT_ERROR && x->code != CURLE_PEER_FAILED_VERIFICATION &&
	    x->code != CURLE_SSL_CERTPROBLEM && x->code != CURLE_RECV_ERROR &&
	    x->code != CURLE_SEND_ERROR)
		return false;
	if (strstr(error, "protocol version") != NULL ||
	    strstr(error, "unsupported protocol") != NULL) {
		text_string(words, "TLS: the server speaks none from version 1.2 on");
		return true;
	}
	if (strstr(error, "wrong version number") != NULL) {
		text_string(words, "TLS: the server speaks none; is it http:// there?");
		return true;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasestr(error, known[i].sign) != NULL) {
			text_printf(words, "certificate: %s", known[i].meaning);
			return true;
		}
	if (strncmp(error, prefix, sizeof(prefix) - 1) != 0)
		return false;
	text_string(words, "certificate: ");
	text_safe(words, error + sizeof(prefix) - 1, strlen(error) - (sizeof(prefix) - 1));
	return true;
}
