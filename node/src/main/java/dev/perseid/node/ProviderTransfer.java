package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;

/// Moves blobs between the provider and its pool over HTTP (docs/protocol.md, blobs). Blocks the
/// calling thread, which should be a virtual one; interrupting it ends the transfer.
///
/// A broken transfer goes on where it broke: downloads by `Range`, uploads at the offset that the
/// pool names. Errors that may pass (a lost connection, a pool that restarts or is overloaded) are
/// tried again with growing pauses until nothing moved for a stated time.
final class ProviderTransfer implements ModelShelf.Source {
  /// What is sent.
  sealed interface Content {
    /// Bytes in memory.
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Bytes(byte[] bytes) implements Content {}

    /// A file that stays as it is.
    record File(Path path) implements Content {}
  }

  /// How patient transfers are.
  ///
  /// @param stallMs without progress for this long, a transfer is given up
  /// @param retryMs first pause
  /// @param retryMaxMs longest pause
  /// @param socketMs wait for a connection or the next byte
  record Patience(long stallMs, long retryMs, long retryMaxMs, int socketMs) {
    static final Patience USUAL =
        new Patience(
            ProviderLimits.TRANSFER_STALL_MS,
            ProviderLimits.TRANSFER_RETRY_MS,
            ProviderLimits.TRANSFER_RETRY_MAX_MS,
            ProviderLimits.SOCKET_MS);
  }

  /// The pool said no, and will say so again.
  private static final class Final extends Exception {
    Final(String message) {
      super(message, null, false, false);
    }
  }

  private static final Pattern RANGE = Pattern.compile("bytes (\\d+)-\\d+/(\\d+)");
  private static final String UPLOAD_OFFSET = "Upload-Offset";
  private static final int BUFFER_BYTES = 1 << 16;

  private final URI base;
  private final Optional<SSLContext> tls;
  private final Supplier<Optional<String>> token;
  private final Patience patience;

  /// @param base scheme, host and port of the pool
  /// @param tls for https; it alone decides whom to trust, names are not compared
  /// @param token the present session's token, if there is a session
  ProviderTransfer(
      URI base, Optional<SSLContext> tls, Supplier<Optional<String>> token, Patience patience) {
    this.base = base;
    this.tls = tls;
    this.token = token;
    this.patience = patience;
  }

  @Override
  public void fetch(Blob blob, Path into) throws TransferFailed, InterruptedException {
    persist(
        "blob " + blob.hash() + " could not be fetched",
        () -> Files.exists(into) ? Files.size(into) : 0,
        () -> fetchOnce(blob, into));
  }

  @Override
  public byte[] whole(Hash hash, int mostBytes) throws TransferFailed, InterruptedException {
    byte[][] bytes = new byte[1][];
    int[] corrupt = new int[1];
    persist(
        "blob " + hash + " could not be fetched",
        () -> 0,
        () -> {
          bytes[0] = wholeOnce(hash, mostBytes);
          boolean right = Hash.sha256(bytes[0]).equals(hash);
          if (!right && ++corrupt[0] > ServingLimits.CORRUPT_FETCHES) {
            throw new Final("it arrived " + corrupt[0] + " times with another content");
          }
          return right;
        });
    return bytes[0];
  }

  private byte[] wholeOnce(Hash hash, int mostBytes) throws IOException, Final {
    HttpURLConnection c = open("GET", hash);
    int status = c.getResponseCode();
    if (status != 200) {
      refuse(c, status);
    }
    try (InputStream in = c.getInputStream()) {
      byte[] bytes = in.readNBytes(mostBytes + 1);
      if (bytes.length > mostBytes) {
        throw new Final("it has more than " + mostBytes + " bytes");
      }
      return bytes;
    }
  }

  /// Brings a blob into the pool's store, unless it is there already. Returns when the pool has all
  /// of it.
  void store(Blob blob, Content content) throws TransferFailed, InterruptedException {
    if (blob.sizeBytes() == 0) {
      return;
    }
    Upload upload = new Upload(blob, content);
    persist(
        "blob " + blob.hash() + " could not be stored", () -> upload.offset, () -> upload.once());
  }

  private interface Progress {
    long bytes() throws IOException;
  }

  /// One try: true when it is done, false to go on at once.
  private interface Try {
    boolean done() throws IOException, Final;
  }

  private void persist(String what, Progress progress, Try attempt)
      throws TransferFailed, InterruptedException {
    long retryMs = patience.retryMs();
    long movedNs = System.nanoTime();
    long before = -1;
    while (true) {
      String problem;
      try {
        long now = progress.bytes();
        if (now > before) {
          retryMs = patience.retryMs();
          movedNs = System.nanoTime();
        }
        before = now;
        if (attempt.done()) {
          return;
        }
        problem = "it is being moved in too many parts";
      } catch (Final e) {
        throw new TransferFailed(what + ": " + e.getMessage());
      } catch (IOException e) {
        problem = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
      }
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      long idleMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - movedNs);
      if (idleMs > patience.stallMs()) {
        throw new TransferFailed(what + ": no progress for " + idleMs + " ms, last " + problem);
      }
      Thread.sleep(retryMs);
      retryMs = Math.min(patience.retryMaxMs(), 2 * retryMs);
    }
  }

  private boolean fetchOnce(Blob blob, Path into) throws IOException, Final {
    long have = Files.exists(into) ? Files.size(into) : 0;
    if (have == blob.sizeBytes()) {
      return true;
    }
    if (have > blob.sizeBytes()) {
      Files.delete(into);
      have = 0;
    }
    HttpURLConnection c = open("GET", blob);
    if (have > 0) {
      c.setRequestProperty("Range", "bytes=" + have + "-");
    }
    int status = c.getResponseCode();
    if (status == 206) {
      Matcher range = RANGE.matcher(String.valueOf(c.getHeaderField("Content-Range")));
      if (!range.matches() || Long.parseLong(range.group(1)) != have) {
        throw new IOException("the pool sent another range than asked for");
      }
    } else if (status == 200) {
      have = 0; // the whole, from its beginning
    } else {
      refuse(c, status);
    }
    try (InputStream in = c.getInputStream();
        FileChannel out =
            FileChannel.open(into, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      out.truncate(have);
      out.position(have);
      byte[] buffer = new byte[BUFFER_BYTES];
      int n;
      while ((n = in.read(buffer)) >= 0) {
        have += n;
        if (have > blob.sizeBytes()) {
          throw new Final("the pool sends more than its " + blob.sizeBytes() + " bytes");
        }
        writeFully(out, ByteBuffer.wrap(buffer, 0, n));
      }
    }
    if (have < blob.sizeBytes()) {
      throw new IOException("the connection ended after " + have + " bytes");
    }
    return true;
  }

  private final class Upload {
    private final Blob blob;
    private final Content content;
    private long offset;
    private boolean known;

    Upload(Blob blob, Content content) {
      this.blob = blob;
      this.content = content;
      known = blob.sizeBytes() <= ProviderLimits.ASK_BEFORE_SENDING_BYTES;
    }

    boolean once() throws IOException, Final {
      if (!known && stored()) {
        return true;
      }
      known = false; // should this try break, ask how far it came
      return send();
    }

    /// Asks what the pool has of it.
    private boolean stored() throws IOException, Final {
      HttpURLConnection c = open("HEAD", blob);
      int status = c.getResponseCode();
      if (status == 200) {
        return true;
      }
      if (status != 404) {
        refuse(c, status);
      }
      offset = received(c);
      return false;
    }

    private boolean send() throws IOException, Final {
      HttpURLConnection c = open("PUT", blob);
      c.setDoOutput(true);
      c.setFixedLengthStreamingMode(blob.sizeBytes() - offset);
      c.setRequestProperty("Content-Type", "application/octet-stream");
      if (offset > 0) {
        c.setRequestProperty(
            "Content-Range",
            "bytes " + offset + "-" + (blob.sizeBytes() - 1) + "/" + blob.sizeBytes());
      }
      try (OutputStream out = c.getOutputStream()) {
        switch (content) {
          case Content.Bytes b ->
              out.write(b.bytes(), (int) offset, (int) (blob.sizeBytes() - offset));
          case Content.File f -> copy(f.path(), out);
        }
      }
      int status = c.getResponseCode();
      if (status == 200 || status == 201 || status == 204) {
        c.getInputStream().close();
        return true;
      }
      if (c.getHeaderField(UPLOAD_OFFSET) != null) {
        offset = received(c);
        known = true;
        throw new IOException("the pool wants it from byte " + offset);
      }
      refuse(c, status);
      return false;
    }

    private void copy(Path file, OutputStream out) throws IOException {
      WritableByteChannel to = Channels.newChannel(out);
      try (FileChannel in = FileChannel.open(file)) {
        long at = offset;
        while (at < blob.sizeBytes()) {
          long n = in.transferTo(at, Math.min(1 << 20, blob.sizeBytes() - at), to);
          if (n <= 0) {
            throw new IOException("the file is shorter than " + blob.sizeBytes() + " bytes");
          }
          at += n;
        }
      }
    }

    private long received(HttpURLConnection c) throws IOException {
      String said = c.getHeaderField(UPLOAD_OFFSET);
      long at;
      try {
        at = said == null ? 0 : Long.parseLong(said);
      } catch (NumberFormatException e) {
        throw new IOException("the pool names no upload offset but '" + said + "'", e);
      }
      return at < 0 || at >= blob.sizeBytes() ? 0 : at;
    }
  }

  private HttpURLConnection open(String method, Blob blob) throws IOException {
    return open(method, blob.hash());
  }

  private HttpURLConnection open(String method, Hash hash) throws IOException {
    String bearer =
        token.get().orElseThrow(() -> new IOException("there is no session with the pool"));
    HttpURLConnection c =
        (HttpURLConnection) base.resolve("/v1/blobs/" + hash.hex()).toURL().openConnection();
    if (c instanceof HttpsURLConnection s) {
      s.setSSLSocketFactory(
          tls.orElseThrow(() -> new IllegalStateException("https without a trust"))
              .getSocketFactory());
      s.setHostnameVerifier((name, session) -> true); // bound to the pool's key instead
    }
    c.setRequestMethod(method);
    c.setInstanceFollowRedirects(false);
    c.setUseCaches(false);
    c.setConnectTimeout(patience.socketMs());
    c.setReadTimeout(patience.socketMs());
    c.setRequestProperty("Authorization", "Bearer " + bearer);
    return c;
  }

  /// Always throws: IOException if another try may help.
  private static void refuse(HttpURLConnection c, int status) throws IOException, Final {
    String said = "";
    try (InputStream in = c.getErrorStream()) {
      if (in != null) {
        said =
            new String(in.readNBytes(300), java.nio.charset.StandardCharsets.UTF_8)
                .lines()
                .findFirst()
                .orElse("");
      }
    }
    String message = "the pool answered " + status + (said.isEmpty() ? "" : " (" + said + ")");
    // 401: the session ended, the next one has a new token.
    boolean mayPass = status == 401 || status == 408 || status == 429 || status >= 500;
    if (mayPass && status != 507) {
      throw new IOException(message);
    }
    throw new Final(message);
  }

  private static void writeFully(FileChannel out, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
  }
}
