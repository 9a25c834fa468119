/* The dashboard's files, served from memory. */
#include <err.h>
#include <errno.h>
#include <fts.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve.h"
#include "version.h"

#define LARGEST (16 << 20)
#define FILES 1000
#define NONCE "@NONCE@"

static struct file {
	char *path; /* "/js/main.js" */
	const char *type;
	struct text data;
	char etag[40];
} * files;
static size_t file_count;

static const char fallback[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>disco</title>"
    "<p>The dashboard is not installed here. The table: <a href=/v1/table>/v1/table</a>, "
    "<a href=/metrics>/metrics</a>; see disco-serve(8).\n";

static const char *type_of(const char *path)
{
	static const struct {
		const char *suffix, *type;
	} types[] = {{".html", "text/html; charset=utf-8"},
		     {".css", "text/css; charset=utf-8"},
		     {".js", "text/javascript; charset=utf-8"},
		     {".mjs", "text/javascript; charset=utf-8"},
		     {".json", "application/json"},
		     {".webmanifest", "application/manifest+json"},
		     {".svg", "image/svg+xml"},
		     {".png", "image/png"},
		     {".ico", "image/x-icon"},
		     {".txt", "text/plain; charset=utf-8"}};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(dot, types[i].suffix) == 0)
			return types[i].type;
	return "text/plain; charset=utf-8";
}

static bool read_all(const char *path, size_t size, struct text *data)
{
	FILE *f = fopen(path, "re");
	char *room = f != NULL ? text_room(data, size + 1) : NULL;

	if (room != NULL)
		data->len = fread(room, 1, size, f);
	if (f != NULL)
		fclose(f);
	return room != NULL && data->len == size;
}

static void file_add(const char *path, const char *name, size_t size)
{
	struct file *file;
	uint64_t sum = 0xcbf29ce484222325u;

	files = reallocarray(files, file_count + 1, sizeof(files[0]));
	if (files == NULL)
		errx(EXIT_CANNOT, "out of memory");
	file = &files[file_count];
	*file = (struct file){.path = strdup(name), .type = type_of(name)};
	if (file->path == NULL || !read_all(path, size, &file->data))
		err(EXIT_CANNOT, "%s", path);
	for (size_t i = 0; i < file->data.len; i++)
		sum = (sum ^ (unsigned char)file->data.s[i]) * 0x100000001b3u;
	snprintf(file->etag, sizeof(file->etag), "\"%016llx\"", (unsigned long long)sum);
	file_count++;
}

void web_load(void)
{
	char self[PATH_MAX], path[PATH_MAX + 32];
	char *roots[] = {path, NULL};
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	FTS *fts;
	FTSENT *entry;

	if (serve.web == NULL && len > 0) {
		self[len] = '\0';
		snprintf(path, sizeof(path), "%s/../share/disco/web", dirname(self));
	} else {
		snprintf(path, sizeof(path), "%s", serve.web != NULL ? serve.web : "");
	}
	if (access(path, R_OK | X_OK) < 0) {
		if (serve.web != NULL)
			err(EXIT_CANNOT, "--web %s", serve.web);
		return;
	}
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (fts != NULL && (entry = fts_read(fts)) != NULL) {
		if (entry->fts_info != FTS_F || entry->fts_name[0] == '.')
			continue;
		if (entry->fts_statp->st_size > LARGEST || file_count == FILES)
			errx(EXIT_CANNOT, "%s: too large for a page", entry->fts_path);
		file_add(entry->fts_path, entry->fts_path + strlen(path),
			 (size_t)entry->fts_statp->st_size);
	}
	if (fts != NULL)
		fts_close(fts);
}

static const struct file *file_find(const char *path)
{
	for (size_t i = 0; i < file_count; i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

/* The page itself bears a number used once, by which its styles are known to be its own. */
static void page_send(struct evhttp_request *request, const char *s, size_t len)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	const char *end = s + len, *mark;
	struct text body = {0};
	unsigned char random[16];
	char nonce[33], policy[512];

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		http_error(request, 503, "no randomness");
		return;
	}
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	while ((mark = memmem(s, (size_t)(end - s), NONCE, strlen(NONCE))) != NULL) {
		text_add(&body, s, (size_t)(mark - s));
		text_string(&body, nonce);
		s = mark + strlen(NONCE);
	}
	text_add(&body, s, (size_t)(end - s));
	snprintf(policy, sizeof(policy),
		 "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; "
		 "connect-src 'self' ws: wss:; img-src 'self' data:; font-src 'self'; "
		 "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
		 "'none'",
		 nonce);
	evhttp_add_header(headers, "Content-Security-Policy", policy);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	http_answer(request, 200, "text/html; charset=utf-8", &body);
}

void web_get(struct evhttp_request *request, const char *path)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	const struct file *file = file_find(strcmp(path, "/") == 0 ? "/index.html" : path);
	const char *given = http_header(request, "If-None-Match");
	struct text body = {0};

	if (file == NULL && strcmp(path, "/") == 0) {
		page_send(request, fallback, sizeof(fallback) - 1);
		return;
	}
	if (file == NULL) {
		http_error(request, 404, "%s: there is no such thing", path);
		return;
	}
	if (strncmp(file->type, "text/html", 9) == 0) {
		page_send(request, file->data.s, file->data.len);
		return;
	}
	evhttp_add_header(headers, "ETag", file->etag);
	evhttp_add_header(headers, "Vary", "Accept-Encoding");
	evhttp_add_header(headers, "Cache-Control", "no-cache");
	if (given != NULL && strstr(given, file->etag) != NULL) {
		http_answer(request, 304, NULL, NULL);
		return;
	}
	text_add(&body, file->data.s, file->data.len);
	http_answer(request, 200, file->type, &body);
}
