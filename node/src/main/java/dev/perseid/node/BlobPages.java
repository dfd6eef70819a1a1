package dev.perseid.node;

import dev.perseid.core.Hash;
import io.helidon.http.HeaderNames;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// `GET`, `HEAD` and `PUT /v1/blobs/{sha256}` (docs/protocol.md). Errors have a status and one line
/// of text.
final class BlobPages {
  private static final String UPLOAD_OFFSET = "Upload-Offset";
  private static final Pattern RANGE = Pattern.compile("bytes=(\\d{1,18})-(\\d{0,18})");
  private static final Pattern CONTENT_RANGE =
      Pattern.compile("bytes (\\d{1,18})-(\\d{1,18})/(\\d{1,18})");
  private static final int BUFFER_BYTES = 1 << 16;

  private final BlobStore blobs;
  private final BlobGrants grants;
  private final PublishedFiles published;

  BlobPages(BlobStore blobs, BlobGrants grants, PublishedFiles published) {
    this.blobs = blobs;
    this.grants = grants;
    this.published = published;
  }

  List<Pages.Page> pages() {
    return List.of(
        new Pages.Page("GET", "/v1/blobs/{hash}", this::get),
        new Pages.Page("HEAD", "/v1/blobs/{hash}", this::head),
        new Pages.Page("PUT", "/v1/blobs/{hash}", this::put));
  }

  private static void say(ServerResponse res, int status, String line) {
    Pages.say(res, status, line);
  }

  private @Nullable Hash hash(ServerRequest req, ServerResponse res) {
    String name = req.path().pathParameters().get("hash");
    if (!name.matches("[0-9a-f]{64}")) {
      say(res, 400, "a blob's name is 64 lower-case hexadecimal digits, the SHA-256 of its bytes");
      return null;
    }
    return Hash.parse(name);
  }

  private OptionalLong readable(Sessions.Session caller, Hash hash) {
    return hash.equals(Hash.EMPTY_BLOB) || grants.has(caller.caller, hash) || published.has(hash)
        ? blobs.size(hash)
        : OptionalLong.empty();
  }

  private void head(Pages.Visit visit, ServerRequest req, ServerResponse res) {
    Sessions.Session caller = visit.known();
    Hash hash = hash(req, res);
    if (hash == null) {
      return;
    }
    OptionalLong size = readable(caller, hash);
    if (size.isPresent()) {
      res.status(Status.OK_200)
          .header(HeaderNames.CONTENT_LENGTH, Long.toString(size.getAsLong()))
          .header(HeaderNames.ACCEPT_RANGES, "bytes")
          .send();
    } else {
      res.status(Status.NOT_FOUND_404)
          .header(UPLOAD_OFFSET, Long.toString(blobs.partialBytes(caller.caller, hash)))
          .send();
    }
  }

  private void get(Pages.Visit visit, ServerRequest req, ServerResponse res) throws IOException {
    Sessions.Session caller = visit.known();
    Hash hash = hash(req, res);
    if (hash == null) {
      return;
    }
    OptionalLong found = readable(caller, hash);
    if (found.isEmpty()) {
      say(
          res,
          404,
          "no such blob for you: you may read what you stored, what your leases name, and the"
              + " results of your jobs once Results has named them");
      return;
    }
    long size = found.getAsLong();
    long from = 0;
    long to = size;
    Optional<String> range = req.headers().first(HeaderNames.RANGE);
    if (range.isPresent()) {
      Matcher m = RANGE.matcher(range.get());
      if (!m.matches()) {
        say(res, 400, "of ranges, only `bytes=FROM-` and `bytes=FROM-LAST` are known");
        return;
      }
      from = Long.parseLong(m.group(1));
      to = m.group(2).isEmpty() ? size : Math.min(size, Long.parseLong(m.group(2)) + 1);
      if (from >= size || from >= to) {
        res.header(HeaderNames.CONTENT_RANGE, "bytes */" + size);
        say(res, 416, "the blob has " + size + " bytes");
        return;
      }
      res.status(Status.PARTIAL_CONTENT_206)
          .header(HeaderNames.CONTENT_RANGE, "bytes " + from + "-" + (to - 1) + "/" + size);
    }
    res.header(HeaderNames.CONTENT_TYPE, "application/octet-stream")
        .header(HeaderNames.ACCEPT_RANGES, "bytes")
        .header(HeaderNames.CONTENT_LENGTH, Long.toString(to - from));
    if (size == 0) {
      res.send(new byte[0]);
      return;
    }
    byte[] buffer = new byte[(int) Math.min(BUFFER_BYTES, to - from)];
    try (FileChannel in = blobs.read(hash);
        OutputStream out = res.outputStream()) {
      in.position(from);
      long left = to - from;
      while (left > 0) {
        int n = in.read(ByteBuffer.wrap(buffer, 0, (int) Math.min(buffer.length, left)));
        if (n < 0) {
          throw new IOException("blob " + hash + " is shorter on disk than it was");
        }
        out.write(buffer, 0, n);
        left -= n;
      }
    }
  }

  private void put(Pages.Visit visit, ServerRequest req, ServerResponse res) throws IOException {
    Sessions.Session caller = visit.known();
    Hash hash = hash(req, res);
    if (hash == null) {
      return;
    }
    OptionalLong length = req.headers().contentLength();
    if (length.isEmpty()) {
      say(res, 411, "say how many bytes come, in Content-Length");
      return;
    }
    long offset = 0;
    long total = length.getAsLong();
    Optional<String> range = req.headers().first(HeaderNames.CONTENT_RANGE);
    Optional<String> query = req.query().first("offset").asOptional();
    if (range.isPresent()) {
      Matcher m = CONTENT_RANGE.matcher(range.get());
      if (!m.matches()
          || Long.parseLong(m.group(2)) + 1 != Long.parseLong(m.group(3))
          || Long.parseLong(m.group(1)) + total != Long.parseLong(m.group(3))) {
        say(res, 400, "write Content-Range: bytes OFFSET-LAST/TOTAL, up to the blob's end");
        return;
      }
      offset = Long.parseLong(m.group(1));
    } else if (query.isPresent()) {
      if (!query.get().matches("\\d{1,18}")) {
        say(res, 400, "write ?offset=BYTES");
        return;
      }
      offset = Long.parseLong(query.get());
    }
    if (visit.signedBody().isPresent() && (offset > 0 || !visit.signedBody().get().equals(hash))) {
      // The store checks the blob as a whole, so its name is what binds the bytes.
      Pages.nobody(
          res,
          "a signed request stores a whole blob, and its body's SHA-256 is the blob's name; to go on"
              + " with a broken upload, log in");
      return;
    }
    total += offset;
    BlobStore.Put put;
    try (InputStream in = req.content().inputStream()) {
      put = blobs.put(caller.caller, hash, offset, total, in);
      if (put instanceof BlobStore.Put.Stored) {
        grants.give(caller.caller, hash);
      }
      answer(res, put);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private void answer(ServerResponse res, BlobStore.Put put) {
    switch (put) {
      case BlobStore.Put.Stored _ -> res.status(Status.CREATED_201).send();
      case BlobStore.Put.Partial(long have) -> {
        res.header(UPLOAD_OFFSET, Long.toString(have));
        say(res, 400, "the bytes ended early; go on with ?offset=" + have);
      }
      case BlobStore.Put.WrongOffset(long have) -> {
        res.header(UPLOAD_OFFSET, Long.toString(have));
        say(res, 409, "go on with ?offset=" + have);
      }
      case BlobStore.Put.WrongHash(Hash actual) ->
          say(
              res,
              422,
              "the SHA-256 of these bytes is " + actual.hex() + ", not the one in the path");
      case BlobStore.Put.Busy _ ->
          say(res, 503, "you are sending this blob already: wait for that, or try again");
      case BlobStore.Put.TooLarge _ ->
          say(res, 413, "a blob has at most " + PoolLimits.BLOB_BYTES + " bytes");
      case BlobStore.Put.Full(String why) -> say(res, 507, why + ": try another pool, or later");
    }
  }
}
