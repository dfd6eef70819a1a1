package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.Hash;
import dev.perseid.core.JobCodec;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Model;
import dev.perseid.core.Movement;
import dev.perseid.core.Rights;
import dev.perseid.journal.MovementCodec;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import dev.perseid.wire.Channels;
import dev.perseid.wire.KeyParts;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.WireLimits;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.InferenceGrpc;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.ModelsGrpc;
import dev.perseid.wire.v1.MoneyGrpc;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import io.grpc.CallCredentials;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import javax.net.ssl.X509ExtendedTrustManager;

/// A consumer's (or operator's) connection to a pool: proves its key once, then submits jobs, moves
/// blobs and asks questions. Blocking; safe for several threads. Every call has a time limit except
/// [#watch], which lasts as long as the job.
///
/// Expected failures are [PoolFailure]s with a message for people.
public final class PoolClient implements AutoCloseable {
  private static final long CALL_MS = 30_000;

  /// A watch that breaks off with an error so often, each time within [#CALL_MS], is given up: a
  /// pool that always breaks off in the same place would be asked for ever.
  private static final int WATCHES_BROKEN = 10;

  private static final long SUBMIT_MS = 300_000;
  private static final long LIST_MS = 300_000;
  private static final Duration BLOB_IDLE = Duration.ofMinutes(10);

  /// How often a broken blob transfer is taken up again where it stopped.
  private static final int TRANSFER_TRIES = 5;

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /// Where a pool is, and who it must be.
  ///
  /// @param address the pool's address; may be missing on loopback only, where whoever answers is
  ///   believed
  public record Target(String host, int port, Optional<Address> address) {
    /// Parses `HOST:PORT` or `HOST:PORT@0xADDRESS`; IPv6 hosts stand in brackets.
    ///
    /// @throws IllegalArgumentException with a message for people
    public static Target parse(String text) {
      int at = text.indexOf('@');
      String place = at < 0 ? text : text.substring(0, at);
      Optional<Address> address =
          at < 0 ? Optional.empty() : Optional.of(Address.parse(text.substring(at + 1)));
      int colon = place.lastIndexOf(':');
      int port = -1;
      if (colon > 0) {
        try {
          port = Integer.parseInt(place.substring(colon + 1));
        } catch (NumberFormatException e) {
          port = -1;
        }
      }
      if (port < 1 || port > 65_535) {
        throw new IllegalArgumentException(
            "'" + text + "' is no pool: write HOST:PORT or HOST:PORT@0xADDRESS");
      }
      String host = place.substring(0, colon);
      if (host.startsWith("[") && host.endsWith("]")) {
        host = host.substring(1, host.length() - 1);
      }
      return new Target(host, port, address);
    }

    /// The form that [#parse] reads.
    @Override
    public String toString() {
      return (host.contains(":") ? "[" + host + "]" : host)
          + ":"
          + port
          + address.map(a -> "@" + a).orElse("");
    }
  }

  /// What a caller wants to be.
  public enum Role {
    /// Pays for jobs.
    CONSUMER,
    /// Runs the pool; must hold the pool's own key, or one that its configuration names.
    OPERATOR,
    /// Sees everybody's records, receipts and accounts; must be named by the pool's configuration.
    AUDITOR;

    String word() {
      return switch (this) {
        case CONSUMER -> "consumer";
        case OPERATOR -> "operator";
        case AUDITOR -> "auditor";
      };
    }
  }

  /// Bytes that can be read from any offset, again and again.
  public interface Content {
    /// The bytes from `offset` to the end.
    InputStream open(long offset) throws IOException;

    /// A file's bytes.
    static Content of(Path path) {
      return offset -> {
        InputStream in = Files.newInputStream(path);
        try {
          in.skipNBytes(offset);
          return in;
        } catch (IOException e) {
          in.close();
          throw e;
        }
      };
    }

    /// These bytes.
    static Content of(byte[] bytes) {
      return offset -> new ByteArrayInputStream(bytes, (int) offset, bytes.length - (int) offset);
    }
  }

  /// An account's money, microcredits.
  ///
  /// @param due earned and not paid out yet, where earnings are paid out
  /// @param paid all that was ever paid out
  public record Account(Address address, long balance, long reserved, long due, long paid) {}

  /// Why something is as it is.
  public record Why(String sentence, List<String> wouldHelp) {}

  /// An output that a job left.
  public record Output(String taskName, int output, Blob blob) {}

  /// A record and the canonical bytes that stand in the pool's log.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  public record LoggedEntry(Entry entry, byte[] bytes) {}

  private final Target target;
  private final Key key;
  private final Role role;
  private final ManagedChannel channel;
  private final HttpClient http;
  private final String scheme;
  private final Address pool;
  private final String version;
  private final VoucherTerms terms;
  private volatile String token = "";

  private PoolClient(Target target, Key key, Role role) throws PoolFailure {
    this.target = target;
    this.key = key;
    this.role = role;
    Optional<X509ExtendedTrustManager> trust = Optional.empty();
    if (!Channels.isLoopback(target.host())) {
      if (target.address().isEmpty()) {
        throw new PoolFailure(
            PoolFailure.Kind.REFUSED,
            "NO_ADDRESS",
            "the pool's address is missing: write "
                + target
                + "@0x... (the operator's `perseid pool` prints it), so that its certificate can be"
                + " checked");
      }
      trust = Optional.of(NodeCertificate.pinnedOrAuthority(target.address().get()));
    }
    this.scheme = trust.isPresent() ? "https" : "http";
    this.channel = Channels.open(target.host(), target.port(), trust.map(t -> t));
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofMillis(WireLimits.CONNECT_MS));
    trust.ifPresent(t -> builder.sslContext(Tls.clientContext(t)));
    this.http = builder.build();
    boolean whole = false;
    try {
      Proto.AboutReply about =
          once(() -> identity().about(Proto.AboutRequest.getDefaultInstance()));
      this.pool = Translation.address(about.getPool(), "pool");
      this.version = about.getVersion();
      this.terms = VoucherTerms.read(about.getMoney());
      if (about.getProtocol() != 1) {
        throw new PoolFailure(
            PoolFailure.Kind.REFUSED,
            "PROTOCOL",
            "the pool speaks protocol " + about.getProtocol() + ", this program 1: update it");
      }
      if (target.address().isPresent() && !target.address().get().equals(pool)) {
        throw new PoolFailure(
            PoolFailure.Kind.REFUSED,
            "WRONG_POOL",
            target.host()
                + ":"
                + target.port()
                + " is the pool "
                + pool
                + ", not "
                + target.address().get()
                + ": correct --pool");
      }
      login();
      whole = true;
    } catch (Malformed e) {
      throw unreadable(e);
    } finally {
      if (!whole) {
        channel.shutdownNow();
        http.close();
      }
    }
  }

  /// Connects and proves the key.
  ///
  /// @throws PoolFailure if the pool cannot be reached, is another one, or refuses the login
  public static PoolClient connect(Target target, Key key, Role role) throws PoolFailure {
    return new PoolClient(target, key, role);
  }

  /// The pool's address.
  public Address pool() {
    return pool;
  }

  /// The version that the pool runs.
  public String version() {
    return version;
  }

  /// Who calls.
  public Address self() {
    return key.address();
  }

  // ---- blobs ------------------------------------------------------------------------------------

  /// Which of these blobs the pool lacks, in the order given.
  public List<Blob> missing(Collection<Blob> blobs) throws PoolFailure {
    List<Blob> all = List.copyOf(blobs);
    List<Blob> missing = new ArrayList<>();
    for (int from = 0; from < all.size(); from += WireLimits.ASKED_BLOBS) {
      List<Blob> part = all.subList(from, Math.min(all.size(), from + WireLimits.ASKED_BLOBS));
      Proto.MissingBlobsRequest.Builder request = Proto.MissingBlobsRequest.newBuilder();
      part.forEach(blob -> request.addBlobs(Translation.write(blob)));
      Proto.MissingBlobsReply reply = call(() -> jobs(CALL_MS).missingBlobs(request.build()));
      Set<Hash> lacking = new HashSet<>();
      for (ByteString hash : reply.getMissingList()) {
        lacking.add(read(() -> Translation.hash(hash, "missing")));
      }
      for (Blob blob : part) {
        if (lacking.contains(blob.hash())) {
          missing.add(blob);
        }
      }
    }
    return missing;
  }

  /// Stores a blob. A transfer that breaks is taken up where it stopped.
  ///
  /// @param sent told now and then how many bytes have been sent in all
  public void upload(Blob blob, Content content, LongConsumer sent) throws PoolFailure {
    PoolFailure last = null;
    for (int attempt = 0; attempt < TRANSFER_TRIES; attempt++) {
      try {
        long offset = attempt == 0 ? 0 : stored(blob.hash());
        if (offset < 0) {
          sent.accept(blob.sizeBytes());
          return;
        }
        HttpRequest.BodyPublisher body =
            HttpRequest.BodyPublishers.fromPublisher(
                HttpRequest.BodyPublishers.ofInputStream(() -> opened(content, offset, sent)),
                Math.max(1, blob.sizeBytes() - offset));
        HttpRequest.Builder request = blobRequest(blob.hash()).PUT(body);
        if (offset > 0) {
          request.header(
              "Content-Range",
              "bytes " + offset + "-" + (blob.sizeBytes() - 1) + "/" + blob.sizeBytes());
        }
        HttpResponse<String> reply =
            http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (reply.statusCode() / 100 == 2) {
          return;
        }
        if (reply.statusCode() == 401) {
          login();
        } else if (reply.statusCode() < 500
            && reply.statusCode() != 409
            && reply.statusCode() != 416) {
          throw new PoolFailure(
              PoolFailure.Kind.REFUSED, "HTTP_" + reply.statusCode(), shortened(reply.body()));
        }
        last =
            new PoolFailure(
                PoolFailure.Kind.REFUSED, "HTTP_" + reply.statusCode(), shortened(reply.body()));
      } catch (IOException e) {
        last = unreachable(broken(e));
      } catch (InterruptedException e) {
        throw interrupted();
      }
    }
    throw last == null ? unreachable("the transfer broke again and again") : last;
  }

  /// How many bytes of a blob the pool has of a broken upload; -1 if it has the whole blob.
  private long stored(Hash hash) throws IOException, InterruptedException {
    HttpResponse<Void> reply =
        http.send(
            blobRequest(hash).method("HEAD", HttpRequest.BodyPublishers.noBody()).build(),
            HttpResponse.BodyHandlers.discarding());
    if (reply.statusCode() == 200) {
      return -1;
    }
    return reply.headers().firstValueAsLong("Upload-Offset").orElse(0);
  }

  private static InputStream opened(Content content, long offset, LongConsumer sent) {
    InputStream in;
    try {
      in = content.open(offset);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new FilterInputStream(in) {
      private long at = offset;

      @Override
      public int read(byte[] out, int start, int length) throws IOException {
        int n = super.read(out, start, length);
        if (n > 0) {
          at += n;
          sent.accept(at);
        }
        return n;
      }
    };
  }

  /// The size of a blob of the caller's; empty if the pool has none such.
  public OptionalLong sizeOf(Hash hash) throws PoolFailure {
    try {
      HttpResponse<Void> reply =
          http.send(
              blobRequest(hash).method("HEAD", HttpRequest.BodyPublishers.noBody()).build(),
              HttpResponse.BodyHandlers.discarding());
      return reply.statusCode() == 200
          ? reply.headers().firstValueAsLong("Content-Length")
          : OptionalLong.empty();
    } catch (IOException e) {
      throw unreachable(broken(e));
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  /// Fetches a blob into a file, by way of a file beside it, and checks its hash. A transfer that
  /// breaks is taken up where it stopped.
  public void download(Blob blob, Path to) throws PoolFailure, IOException {
    Path folder = to.toAbsolutePath().getParent();
    if (folder != null) {
      Files.createDirectories(folder);
    }
    Path part = to.resolveSibling(to.getFileName() + ".part");
    try {
      fetch(blob, part);
      Files.move(part, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  private void fetch(Blob blob, Path part) throws PoolFailure, IOException {
    MessageDigest digest = sha256();
    long at = 0;
    Files.deleteIfExists(part);
    try (var out = Files.newOutputStream(part)) {
      PoolFailure last = null;
      for (int attempt = 0; attempt < TRANSFER_TRIES && at < blob.sizeBytes(); attempt++) {
        HttpRequest.Builder request = blobRequest(blob.hash()).GET();
        if (at > 0) {
          request.header("Range", "bytes=" + at + "-");
        }
        try {
          HttpResponse<InputStream> reply =
              http.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
          try (InputStream in = reply.body()) {
            if (reply.statusCode() == 401) {
              login();
              continue;
            }
            if (reply.statusCode() != (at > 0 ? 206 : 200)) {
              String body = new String(in.readNBytes(1_000), StandardCharsets.UTF_8);
              last =
                  new PoolFailure(
                      PoolFailure.Kind.REFUSED, "HTTP_" + reply.statusCode(), shortened(body));
              if (reply.statusCode() < 500) {
                throw last;
              }
              continue;
            }
            byte[] block = new byte[1 << 16];
            for (int n = in.read(block); n >= 0; n = in.read(block)) {
              at += n;
              if (at > blob.sizeBytes()) {
                throw wrongBytes(blob);
              }
              digest.update(block, 0, n);
              out.write(block, 0, n);
            }
          }
        } catch (IOException e) {
          last = unreachable(broken(e));
        } catch (InterruptedException e) {
          throw interrupted();
        }
      }
      if (at < blob.sizeBytes()) {
        throw last == null ? unreachable("the transfer broke again and again") : last;
      }
    }
    if (!Hash.of(digest.digest()).equals(blob.hash())) {
      throw wrongBytes(blob);
    }
  }

  private static PoolFailure wrongBytes(Blob blob) {
    return new PoolFailure(
        PoolFailure.Kind.REFUSED,
        "WRONG_BYTES",
        "the pool sent other bytes than those named sha256:" + blob.hash() + ": do not use it");
  }

  private HttpRequest.Builder blobRequest(Hash hash) {
    String host = target.host().contains(":") ? "[" + target.host() + "]" : target.host();
    return HttpRequest.newBuilder(
            URI.create(scheme + "://" + host + ":" + target.port() + "/v1/blobs/" + hash.hex()))
        .timeout(BLOB_IDLE)
        .header("Authorization", "Bearer " + token);
  }

  // ---- jobs -------------------------------------------------------------------------------------

  /// Submits a job whose blobs the pool has. Submitting the same job again (same nonce) is harmless
  /// and returns the same id.
  public JobId submit(JobSpec job) throws PoolFailure {
    String signature =
        key.sign(
            Digests.order(pool, key.address(), job.nonce(), job.budget(), JobCodec.specHash(job)));
    Proto.SubmitReply reply =
        call(() -> {
          CompletableFuture<Proto.SubmitReply> answer = new CompletableFuture<>();
          StreamObserver<Proto.SubmitPart> parts =
              JobsGrpc.newStub(channel)
                  .withCallCredentials(bearer())
                  .withDeadlineAfter(SUBMIT_MS, TimeUnit.MILLISECONDS)
                  .submit(new OneAnswer<>(answer));
          for (Proto.SubmitPart part : Translation.write(job, signature)) {
            if (answer.isDone()) {
              break;
            }
            parts.onNext(part);
          }
          if (!answer.isDone()) {
            parts.onCompleted();
          }
          return awaited(answer);
        });
    refuse(reply.hasRefusal(), reply.getRefusal());
    return read(() -> Translation.job(reply.getJob(), "job"));
  }

  /// Cancels a job of the caller's; the operator may cancel any.
  public void cancel(JobId job) throws PoolFailure {
    Proto.CancelReply reply =
        call(() ->
            jobs(CALL_MS)
                .cancel(Proto.CancelRequest.newBuilder().setJob(Translation.bytes(job)).build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
  }

  /// The newest jobs first.
  ///
  /// @param all everybody's, for the operator
  public List<Proto.JobProgress> list(boolean all, int limit) throws PoolFailure {
    return call(() ->
            jobs(CALL_MS).list(Proto.ListRequest.newBuilder().setAll(all).setLimit(limit).build()))
        .getJobsList();
  }

  /// Follows a job until it ends and returns its last state. A broken connection is taken up again
  /// for as long as the pool comes back within [#CALL_MS].
  public Proto.JobProgress watch(JobId job, Consumer<Proto.JobProgress> seen) throws PoolFailure {
    long brokenSince = -1;
    int errors = 0;
    long begunNs = 0;
    // A pool that was started again knows no session: one new login for each time that it answers.
    boolean loggedIn = false;
    while (true) {
      try {
        begunNs = System.nanoTime();
        Proto.JobProgress last = null;
        Iterator<Proto.JobProgress> states =
            JobsGrpc.newBlockingStub(channel)
                .withCallCredentials(bearer())
                .watch(Proto.WatchRequest.newBuilder().setJob(Translation.bytes(job)).build());
        while (states.hasNext()) {
          last = states.next();
          brokenSince = -1;
          loggedIn = false;
          seen.accept(last);
        }
        if (last != null && !last.getState().equals("running")) {
          return last;
        }
      } catch (StatusRuntimeException e) {
        if (e.getStatus().getCode() == Status.Code.UNAUTHENTICATED && !loggedIn) {
          login();
          loggedIn = true;
        } else if (!Channels.isBroken(e.getStatus())) {
          throw failure(e);
        } else if (e.getStatus().getCode() == Status.Code.INTERNAL) {
          boolean soon = System.nanoTime() - begunNs < CALL_MS * 1_000_000;
          errors = soon ? errors + 1 : 0;
          if (errors == WATCHES_BROKEN) {
            throw failure(e);
          }
        }
      }
      long now = System.nanoTime();
      if (brokenSince < 0) {
        brokenSince = now;
      } else if (now - brokenSince > CALL_MS * 1_000_000) {
        throw unreachable("the connection broke while watching");
      }
      pause();
    }
  }

  /// The outputs that the job file names as results.
  public List<Output> results(JobId job) throws PoolFailure {
    Proto.ResultsReply reply =
        call(() ->
            jobs(CALL_MS)
                .results(Proto.ResultsRequest.newBuilder().setJob(Translation.bytes(job)).build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
    List<Output> all = new ArrayList<>();
    for (Proto.NamedOutput one : reply.getOutputsList()) {
      Blob blob = read(() -> Translation.read(one.getBlob(), "outputs.blob"));
      all.add(new Output(one.getTaskName(), one.getOutput(), blob));
    }
    return all;
  }

  /// Why a job, or one of its tasks, is as it is.
  ///
  /// @param task a task's name; empty for the job as a whole
  public Why why(JobId job, String task) throws PoolFailure {
    Proto.WhyReply reply =
        call(() ->
            jobs(CALL_MS)
                .why(
                    Proto.WhyRequest.newBuilder()
                        .setJob(Translation.bytes(job))
                        .setTaskName(task)
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
    return new Why(reply.getSentence(), reply.getWouldHelpList());
  }

  /// What is believed of a provider's results, and why.
  public Why why(Address provider) throws PoolFailure {
    Proto.WhyReply reply =
        call(() ->
            jobs(CALL_MS)
                .why(
                    Proto.WhyRequest.newBuilder()
                        .setProvider(Translation.bytes(provider))
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
    return new Why(reply.getSentence(), reply.getWouldHelpList());
  }

  /// The records of a job, or of all of the caller's jobs, in the order of the log.
  ///
  /// @param limit at most so many; 0 for all
  public void records(Optional<JobId> job, long fromIndex, int limit, Consumer<LoggedEntry> taker)
      throws PoolFailure {
    Proto.RecordsRequest.Builder request =
        Proto.RecordsRequest.newBuilder().setFromIndex(fromIndex).setLimit(limit);
    job.ifPresent(id -> request.setJob(Translation.bytes(id)));
    stream(
        () -> jobs(LIST_MS).records(request.build()),
        part -> {
          refuse(part.hasRefusal(), part.getRefusal());
          for (ByteString bytes : part.getEntriesList()) {
            byte[] canonical = bytes.toByteArray();
            try {
              taker.accept(new LoggedEntry(EntryCodec.decode(canonical), canonical));
            } catch (RuntimeException e) {
              throw unreadable(e);
            }
          }
        });
  }

  /// The receipts of a job: JSON documents, one for each record.
  public void receipts(JobId job, Consumer<String> taker) throws PoolFailure {
    receipts(job, 0, taker);
  }

  /// The receipts of a job's records from an index of the log on.
  public void receipts(JobId job, long fromIndex, Consumer<String> taker) throws PoolFailure {
    receipts(
        Proto.ReceiptsRequest.newBuilder()
            .setJob(Translation.bytes(job))
            .setFromIndex(fromIndex)
            .build(),
        taker);
  }

  /// The receipts of a job as they were when the log had so many records: with the head and the
  /// paths of that size. So they can be held against a root that the pool committed.
  public void receiptsAt(JobId job, long size, Consumer<String> taker) throws PoolFailure {
    receipts(
        Proto.ReceiptsRequest.newBuilder().setJob(Translation.bytes(job)).setAtSize(size).build(),
        taker);
  }

  /// The receipt of the record at an index, as of a size of the log; for who sees everybody's.
  public Optional<String> receiptAt(long index, long size) throws PoolFailure {
    List<String> all = new ArrayList<>();
    receipts(
        Proto.ReceiptsRequest.newBuilder().setFromIndex(index).setAtSize(size).setLimit(1).build(),
        all::add);
    return all.stream().findFirst();
  }

  private void receipts(Proto.ReceiptsRequest request, Consumer<String> taker) throws PoolFailure {
    stream(
        () -> jobs(LIST_MS).receipts(request),
        part -> {
          refuse(part.hasRefusal(), part.getRefusal());
          part.getReceiptsList().forEach(taker);
        });
  }

  /// The providers that the pool knows.
  public List<Proto.ProviderView> providers() throws PoolFailure {
    return call(() -> jobs(CALL_MS).listProviders(Proto.ListProvidersRequest.getDefaultInstance()))
        .getProvidersList();
  }

  /// An account; the caller's own if none is named.
  public Account account(Optional<Address> of) throws PoolFailure {
    Proto.AccountRequest.Builder request = Proto.AccountRequest.newBuilder();
    of.ifPresent(address -> request.setAccount(Translation.bytes(address)));
    Proto.AccountReply reply = call(() -> jobs(CALL_MS).account(request.build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
    return new Account(
        read(() -> Translation.address(reply.getAccount(), "account")),
        reply.getBalance(),
        reply.getReserved(),
        reply.getDue(),
        reply.getPaid());
  }

  /// Gives credits to an account; for the operator.
  public void grant(Address to, long amount, String memo) throws PoolFailure {
    Proto.GrantReply reply =
        call(() ->
            jobs(CALL_MS)
                .grant(
                    Proto.GrantRequest.newBuilder()
                        .setTo(Translation.bytes(to))
                        .setAmount(amount)
                        .setMemo(memo)
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
  }

  // ---- money ------------------------------------------------------------------------------------

  /// What vouchers to this pool are signed for, as it said when the connection was made.
  public VoucherTerms terms() {
    return terms;
  }

  /// Opens the wallet of the caller's key.
  ///
  /// @param expected the terms that the consumer agreed to before, if it did
  /// @param said gets a line for people when something cannot be signed
  public Wallet wallet(
      Wallet.Counter counter, Optional<VoucherTerms> expected, Consumer<String> said)
      throws PoolFailure {
    return Wallet.open(counter, key, pool, expected, said);
  }

  /// Has consumers sign vouchers from now on, for credits too; for the operator.
  public void requireVouchers() throws PoolFailure {
    MoneyProto.RequireVouchersReply reply =
        call(() ->
            money(CALL_MS).requireVouchers(MoneyProto.RequireVouchersRequest.getDefaultInstance()));
    refuse(reply.getRefusalCode(), reply.getRefusal());
  }

  /// Leaves a pool of credits with vouchers, step by step.
  ///
  /// @param step `ask`, `cancel`, or `take` once the delay is over
  public void leave(String step) throws PoolFailure {
    MoneyProto.LeaveReply reply =
        call(
            () -> money(CALL_MS).leave(MoneyProto.LeaveRequest.newBuilder().setStep(step).build()));
    refuse(reply.getRefusalCode(), reply.getRefusal());
  }

  /// How an account can claim what the pool owes it and has not sent.
  public MoneyProto.ClaimReply claim(Optional<Address> of) throws PoolFailure {
    MoneyProto.ClaimRequest.Builder request = MoneyProto.ClaimRequest.newBuilder();
    of.ifPresent(address -> request.setAccount(Translation.bytes(address)));
    MoneyProto.ClaimReply reply = call(() -> money(CALL_MS).claim(request.build()));
    refuse(reply.getRefusalCode(), reply.getRefusal());
    return reply;
  }

  /// A purse; the caller's own if none is named.
  public PurseState purse(Optional<Address> of) throws PoolFailure {
    MoneyProto.PurseReply reply = call(() -> money(CALL_MS).purse(purseRequest(of)));
    return purse(reply);
  }

  private static MoneyProto.PurseRequest purseRequest(Optional<Address> of) {
    MoneyProto.PurseRequest.Builder request = MoneyProto.PurseRequest.newBuilder();
    of.ifPresent(address -> request.setConsumer(Translation.bytes(address)));
    return request.build();
  }

  private static PurseState purse(MoneyProto.PurseReply reply) throws PoolFailure {
    refuse(reply.getRefusalCode(), reply.getRefusal());
    return read(() -> PurseState.read(reply));
  }

  /// Takes what is told of a purse.
  public interface PurseTaker {
    /// False to hear no more.
    boolean take(PurseState now) throws PoolFailure;
  }

  /// The caller's own purse now, and again whenever it changes, until the taker has enough or `end`
  /// is completed. What the taker asks the pool is not cut short by that: Helidon takes the reset
  /// of a call that it has just answered for one of a call that never was, and gives up the
  /// connection with all that is under way on it. So who watches is not to be interrupted either.
  ///
  /// @param end completed by any thread
  public void watchPurse(PurseTaker taker, CompletableFuture<Void> end) throws PoolFailure {
    Context.CancellableContext context = Context.current().withCancellation();
    CompletableFuture<Void> ending = end.thenRun(() -> context.cancel(null));
    try {
      Iterator<MoneyProto.PurseReply> states = call(() -> watchedPurse(context));
      while (states.hasNext()) {
        if (!taker.take(purse(states.next()))) {
          return;
        }
      }
    } catch (StatusRuntimeException e) {
      throw failure(e);
    } finally {
      ending.cancel(false);
      context.cancel(null);
    }
  }

  /// Only this call is to end with the context, so nothing else is done within it.
  private Iterator<MoneyProto.PurseReply> watchedPurse(Context context) {
    Context before = context.attach();
    try {
      return MoneyGrpc.newBlockingStub(channel)
          .withCallCredentials(bearer())
          .watchPurse(purseRequest(Optional.empty()));
    } finally {
      context.detach(before);
    }
  }

  /// Hands in a voucher of the caller's. The same again does nothing.
  public void pay(long cumulative, String signature) throws PoolFailure {
    MoneyProto.VoucherReply reply =
        call(() ->
            money(CALL_MS)
                .takeVoucher(
                    MoneyProto.VoucherRequest.newBuilder()
                        .setCumulative(cumulative)
                        .setSignature(Translation.signature(signature))
                        .build()));
    refuse(reply.getRefusalCode(), reply.getRefusal());
  }

  /// A part of a statement.
  ///
  /// @param account whose
  /// @param movements in order
  /// @param terms of the pool's money
  public record Moved(Address account, List<Movement> movements, VoucherTerms terms) {}

  /// All that moved money of an account in a period.
  ///
  /// @param of the caller's own account if none is named
  /// @param fromUs,toUs pool clock; 0 for no bound
  /// @param fromNumber only movements of at least this number
  public Moved moved(Optional<Address> of, long fromUs, long toUs, long fromNumber)
      throws PoolFailure {
    MoneyProto.StatementRequest.Builder request =
        MoneyProto.StatementRequest.newBuilder()
            .setFromUs(fromUs)
            .setToUs(toUs)
            .setFromNumber(fromNumber);
    of.ifPresent(address -> request.setAccount(Translation.bytes(address)));
    List<Movement> all = new ArrayList<>();
    List<VoucherTerms> said = new ArrayList<>();
    stream(
        () -> money(LIST_MS).statement(request.build()),
        part -> {
          refuse(part.getRefusalCode(), part.getRefusal());
          for (ByteString bytes : part.getMovementsList()) {
            try {
              all.add(MovementCodec.decode(bytes.toByteArray()));
            } catch (IllegalArgumentException e) {
              throw unreadable(e);
            }
          }
          if (part.hasEnd()) {
            said.add(read(() -> VoucherTerms.read(part.getEnd().getTerms())));
          }
        });
    if (said.isEmpty()) {
      throw unreadable("the pool broke its statement off");
    }
    return new Moved(of.orElse(self()), all, said.getLast());
  }

  /// What the operator sees of the pool's money.
  public MoneyProto.MoneyStatusReply moneyStatus() throws PoolFailure {
    MoneyProto.MoneyStatusReply reply =
        call(() -> money(CALL_MS).status(MoneyProto.MoneyStatusRequest.getDefaultInstance()));
    refuse(reply.getRefusalCode(), reply.getRefusal());
    return reply;
  }

  /// Closes an epoch now and waits until it is settled; for the operator.
  public MoneyProto.SettleReply settle() throws PoolFailure {
    MoneyProto.SettleReply reply =
        call(() -> money(SUBMIT_MS).settle(MoneyProto.SettleRequest.getDefaultInstance()));
    refuse(reply.getRefusalCode(), reply.getRefusal());
    return reply;
  }

  /// Takes what a pool says while it moves.
  public interface MoveTaker {
    /// Takes one message.
    void take(MoneyProto.MoveReply reply) throws PoolFailure;
  }

  /// Moves the pool to the escrow that its operator named when it was started; for the operator.
  ///
  /// @param go false to hear only what it would do and cost
  public void move(boolean go, MoveTaker taker) throws PoolFailure {
    stream(
        () ->
            MoneyGrpc.newBlockingStub(channel)
                .withCallCredentials(bearer())
                .move(MoneyProto.MoveRequest.newBuilder().setGo(go).build()),
        part -> {
          refuse(part.getRefusalCode(), part.getRefusal());
          taker.take(part);
        });
  }

  private MoneyGrpc.MoneyBlockingStub money(long ms) {
    return MoneyGrpc.newBlockingStub(channel)
        .withCallCredentials(bearer())
        .withDeadlineAfter(ms, TimeUnit.MILLISECONDS)
        .withMaxInboundMessageSize(WireLimits.MESSAGE_BYTES);
  }

  private static void refuse(String code, String message) throws PoolFailure {
    if (!code.isEmpty()) {
      throw new PoolFailure(PoolFailure.Kind.REFUSED, code, message);
    }
  }

  // ---- models -----------------------------------------------------------------------------------

  /// Lists a model whose files have been uploaded before; the key must be its author's. The same
  /// again does nothing.
  public void publish(Model model) throws PoolFailure {
    Proto.PublishReply reply =
        call(() ->
            models()
                .publish(
                    Proto.PublishRequest.newBuilder()
                        .setModel(ModelParts.write(model))
                        .setSignature(Translation.signature(key.sign(Digests.model(model))))
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
  }

  /// Offers a version of a model to nobody any more.
  public void withdraw(Hash manifest) throws PoolFailure {
    Proto.WithdrawReply reply =
        call(() ->
            models()
                .withdraw(
                    Proto.WithdrawRequest.newBuilder()
                        .setManifest(Translation.bytes(manifest))
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
  }

  /// What is listed and who serves it.
  public Proto.CatalogPart catalog() throws PoolFailure {
    return call(() -> models().catalog(Proto.CatalogRequest.getDefaultInstance())).next();
  }

  /// What is listed, and what changes, until the connection breaks or the taker fails.
  public void followCatalog(Consumer<Proto.CatalogPart> taker) throws PoolFailure {
    stream(
        () ->
            ModelsGrpc.newBlockingStub(channel)
                .withCallCredentials(bearer())
                .withMaxInboundMessageSize(WireLimits.MESSAGE_BYTES)
                .catalog(Proto.CatalogRequest.newBuilder().setFollow(true).build()),
        taker::accept);
  }

  /// Makes an API key stand for the caller's account.
  ///
  /// @param keyHash SHA-256 of the key's UTF-8; the key itself stays here
  public void makeKey(String name, Hash keyHash) throws PoolFailure {
    Proto.MakeKeyReply reply =
        call(() ->
            models()
                .makeKey(
                    Proto.MakeKeyRequest.newBuilder()
                        .setName(name)
                        .setKeyHash(Translation.bytes(keyHash))
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
  }

  /// Makes an API key that may do this and no more.
  ///
  /// @param keyHash SHA-256 of the key's UTF-8; the key itself stays here
  public void makeKey(String name, Hash keyHash, Rights rights) throws PoolFailure {
    Proto.MakeKeyReply reply =
        call(() ->
            models()
                .makeKey(
                    Proto.MakeKeyRequest.newBuilder()
                        .setName(name)
                        .setKeyHash(Translation.bytes(keyHash))
                        .setRights(KeyParts.write(rights))
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
  }

  /// An API key of the caller's account.
  ///
  /// @param madeUs when it was made, microseconds since the epoch by the pool's clock
  /// @param rights what it may do
  /// @param parent the key that made it, if one did
  /// @param spent microcredits, where it or one above it has a limit
  /// @param usedUs when it was used last, if since the pool started
  public record ApiKey(
      Hash hash,
      String name,
      long madeUs,
      Rights rights,
      Optional<Hash> parent,
      long spent,
      OptionalLong usedUs) {}

  /// The caller's API keys.
  public List<ApiKey> keys() throws PoolFailure {
    List<ApiKey> keys = new ArrayList<>();
    for (Proto.ApiKey k :
        call(() -> models().listKeys(Proto.ListKeysRequest.getDefaultInstance())).getKeysList()) {
      keys.add(
          new ApiKey(
              read(() -> Translation.hash(k.getKeyHash(), "key_hash")),
              k.getName(),
              k.getMadeUs(),
              k.hasRights() ? read(() -> KeyParts.read(k.getRights())) : Rights.INFERENCE,
              k.getParent().isEmpty()
                  ? Optional.empty()
                  : Optional.of(read(() -> Translation.hash(k.getParent(), "parent"))),
              k.getSpent(),
              k.hasUsedUs() ? OptionalLong.of(k.getUsedUs()) : OptionalLong.empty()));
    }
    return keys;
  }

  /// Makes an API key stand for nobody.
  public void revokeKey(Hash keyHash) throws PoolFailure {
    Proto.RevokeKeyReply reply =
        call(() ->
            models()
                .revokeKey(
                    Proto.RevokeKeyRequest.newBuilder()
                        .setKeyHash(Translation.bytes(keyHash))
                        .build()));
    refuse(reply.hasRefusal(), reply.getRefusal());
  }

  /// Places a request under an offer; does not block. The answer comes on another thread.
  ///
  /// @return gives the request up
  Runnable ask(Proto.AskRequest request, StreamObserver<Proto.AskPart> answer) {
    Context.CancellableContext context = Context.current().withCancellation();
    context.run(() ->
        InferenceGrpc.newStub(channel)
            .withCallCredentials(bearer())
            .withMaxInboundMessageSize(WireLimits.MESSAGE_BYTES)
            .ask(request, answer));
    return () -> context.cancel(null);
  }

  private ModelsGrpc.ModelsBlockingStub models() {
    return ModelsGrpc.newBlockingStub(channel)
        .withCallCredentials(bearer())
        .withDeadlineAfter(CALL_MS, TimeUnit.MILLISECONDS)
        .withMaxInboundMessageSize(WireLimits.MESSAGE_BYTES);
  }

  @Override
  public void close() {
    channel.shutdownNow();
    http.shutdownNow();
  }

  // ---- calls ------------------------------------------------------------------------------------

  private interface Asked<T> {
    T ask() throws PoolFailure;
  }

  private interface Read<T> {
    T read() throws Malformed;
  }

  private interface Taken<T> {
    void take(T part) throws PoolFailure;
  }

  private IdentityGrpc.IdentityBlockingStub identity() {
    return IdentityGrpc.newBlockingStub(channel).withDeadlineAfter(CALL_MS, TimeUnit.MILLISECONDS);
  }

  private JobsGrpc.JobsBlockingStub jobs(long ms) {
    return JobsGrpc.newBlockingStub(channel)
        .withCallCredentials(bearer())
        .withDeadlineAfter(ms, TimeUnit.MILLISECONDS)
        .withMaxInboundMessageSize(WireLimits.MESSAGE_BYTES);
  }

  private void login() throws PoolFailure {
    Proto.ChallengeReply challenge =
        once(() ->
            identity()
                .challenge(
                    Proto.ChallengeRequest.newBuilder()
                        .setCaller(Translation.bytes(key.address()))
                        .build()));
    Hash nonce = read(() -> Translation.hash(challenge.getNonce(), "nonce"));
    String signature = key.sign(Digests.login(pool, key.address(), role.word(), nonce));
    token =
        once(() ->
                identity()
                    .login(
                        Proto.LoginRequest.newBuilder()
                            .setCaller(Translation.bytes(key.address()))
                            .setNonce(challenge.getNonce())
                            .setRole(role.word())
                            .setSignature(Translation.signature(signature))
                            .build()))
            .getToken();
  }

  private CallCredentials bearer() {
    String now = token;
    return new CallCredentials() {
      @Override
      public void applyRequestMetadata(
          RequestInfo info, Executor executor, MetadataApplier applier) {
        Metadata headers = new Metadata();
        headers.put(AUTHORIZATION, "Bearer " + now);
        applier.apply(headers);
      }
    };
  }

  /// One call, after a new login if the session has expired.
  private <T> T call(Asked<T> asked) throws PoolFailure {
    try {
      return asked.ask();
    } catch (StatusRuntimeException e) {
      if (e.getStatus().getCode() != Status.Code.UNAUTHENTICATED) {
        throw failure(e);
      }
    }
    login();
    return once(asked);
  }

  private <T> T once(Asked<T> asked) throws PoolFailure {
    try {
      return asked.ask();
    } catch (StatusRuntimeException e) {
      throw failure(e);
    }
  }

  private <T> void stream(Asked<Iterator<T>> asked, Taken<T> taken) throws PoolFailure {
    Iterator<T> parts = call(asked);
    try {
      while (parts.hasNext()) {
        taken.take(parts.next());
      }
    } catch (StatusRuntimeException e) {
      throw failure(e);
    }
  }

  private static <T> T awaited(CompletableFuture<T> answer) throws PoolFailure {
    try {
      return answer.get(SUBMIT_MS, TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof StatusRuntimeException status) {
        throw status;
      }
      throw new AssertionError(e.getCause());
    } catch (TimeoutException e) {
      throw Status.DEADLINE_EXCEEDED.asRuntimeException();
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  /// Takes the one answer of a call.
  private record OneAnswer<T>(CompletableFuture<T> answer) implements StreamObserver<T> {
    @Override
    public void onNext(T value) {
      answer.complete(value);
    }

    @Override
    public void onError(Throwable t) {
      answer.completeExceptionally(t);
    }

    @Override
    public void onCompleted() {
      answer.completeExceptionally(Status.INTERNAL.asRuntimeException());
    }
  }

  // ---- failures ---------------------------------------------------------------------------------

  private static void refuse(boolean refused, Proto.Refusal refusal) throws PoolFailure {
    if (refused) {
      throw new PoolFailure(PoolFailure.Kind.REFUSED, refusal.getCode(), refusal.getMessage());
    }
  }

  private PoolFailure failure(StatusRuntimeException e) {
    Status status = e.getStatus();
    String text = status.getDescription() == null ? "" : status.getDescription();
    return switch (status.getCode()) {
      case UNAVAILABLE, DEADLINE_EXCEEDED -> unreachable(causes(status, text));
      case INTERNAL -> broken(causes(status, text));
      default ->
          new PoolFailure(
              PoolFailure.Kind.REFUSED,
              status.getCode().name(),
              text.isEmpty() ? "the pool refused: " + status.getCode() : shortened(text));
    };
  }

  private static String causes(Status status, String text) {
    Throwable cause = status.getCause();
    while (cause != null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause == null || cause.getMessage() == null ? text : cause.getMessage();
  }

  private PoolFailure unreachable(Function<String, String> why) {
    return new PoolFailure(
        PoolFailure.Kind.UNREACHABLE,
        "UNREACHABLE",
        why.apply(target.host() + ":" + target.port()));
  }

  /// The connection broke under a call, or the pool made a mistake in it: the two cannot be told
  /// apart by the code alone ([Channels#isBroken]).
  private PoolFailure broken(String why) {
    return unreachable("gave no answer", why, "try again");
  }

  private PoolFailure unreachable(String why) {
    return unreachable("cannot be reached", why, "is it running, and is --pool right?");
  }

  private PoolFailure unreachable(String how, String why, String whatToDo) {
    String reason = why.isEmpty() ? "" : " (" + shortened(why) + ")";
    return unreachable(place -> "the pool at " + place + " " + how + reason + ": " + whatToDo);
  }

  private static String broken(IOException e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  private static PoolFailure unreadable(Exception e) {
    return unreadable(String.valueOf(e.getMessage()));
  }

  private static PoolFailure unreadable(String why) {
    return new PoolFailure(
        PoolFailure.Kind.REFUSED, "UNREADABLE", "the pool's answer makes no sense: " + why);
  }

  private static PoolFailure interrupted() {
    Thread.currentThread().interrupt();
    return new PoolFailure(PoolFailure.Kind.UNREACHABLE, "INTERRUPTED", "interrupted");
  }

  private static <T> T read(Read<T> read) throws PoolFailure {
    try {
      return read.read();
    } catch (Malformed e) {
      throw unreadable(e);
    }
  }

  private static void pause() throws PoolFailure {
    try {
      TimeUnit.MILLISECONDS.sleep(200);
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  private static String shortened(String text) {
    String line = text.strip().replaceAll("\\s+", " ");
    return line.length() <= 500 ? line : line.substring(0, 500) + "...";
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
