package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobCodec;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Verification;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import dev.perseid.wire.Channels;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.stub.AbstractStub;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.net.URI;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import javax.net.ssl.X509ExtendedTrustManager;

/// A consumer with a key, talking to a real pool on loopback with the generated stubs alone.
final class Shopper implements AutoCloseable {
  private final Key key = Key.generate();
  private final Key pool;
  private final ManagedChannel channel;
  private final String token;
  private final JobsGrpc.JobsBlockingStub jobs;
  private final ProviderTransfer transfer;
  private long nonce;

  /// Logs in, and has the operator grant credits.
  Shopper(int port, Key pool, boolean tls) throws Exception {
    this.pool = pool;
    Optional<X509ExtendedTrustManager> trust =
        tls ? Optional.of(NodeCertificate.pinned(pool.address())) : Optional.empty();
    channel = Channels.open("127.0.0.1", port, trust.map(t -> t));
    String operator = login(pool, "operator");
    var _ =
        with(JobsGrpc.newBlockingStub(channel), operator)
            .grant(
                Proto.GrantRequest.newBuilder()
                    .setTo(Translation.bytes(key.address()))
                    .setAmount(1_000_000_000_000L)
                    .build());
    token = login(key, "consumer");
    jobs = with(JobsGrpc.newBlockingStub(channel), token);
    transfer =
        new ProviderTransfer(
            URI.create((tls ? "https" : "http") + "://127.0.0.1:" + port),
            trust.map(Tls::clientContext),
            () -> Optional.of(token),
            ProviderTransfer.Patience.USUAL);
  }

  private String login(Key who, String role) throws Malformed {
    var identity = IdentityGrpc.newBlockingStub(channel);
    var nonce =
        identity
            .challenge(
                Proto.ChallengeRequest.newBuilder()
                    .setCaller(Translation.bytes(who.address()))
                    .build())
            .getNonce();
    Hash digest =
        Digests.login(pool.address(), who.address(), role, Translation.hash(nonce, "nonce"));
    return identity
        .login(
            Proto.LoginRequest.newBuilder()
                .setCaller(Translation.bytes(who.address()))
                .setNonce(nonce)
                .setRole(role)
                .setSignature(Translation.signature(who.sign(digest)))
                .build())
        .getToken();
  }

  private static <S extends AbstractStub<S>> S with(S stub, String token) {
    Metadata headers = new Metadata();
    headers.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    return stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  Blob store(byte[] bytes) throws Exception {
    Blob blob = new Blob(Hash.sha256(bytes), bytes.length);
    transfer.store(blob, new ProviderTransfer.Content.Bytes(bytes));
    return blob;
  }

  static TaskKind kind(String name, Blob module) {
    return new TaskKind(name, module, 1L << 36, 16L << 20, 16L << 20, 60_000, 1, 5);
  }

  static TaskSpec task(int kind, int copy, String args, List<Input> inputs, int outputs) {
    return new TaskSpec(null, kind, copy, args, inputs, List.of(), outputs);
  }

  JobId submit(List<TaskKind> kinds, List<TaskSpec> tasks, List<Input.Produced> results)
      throws Exception {
    return submit(kinds, tasks, results, new Verification.None());
  }

  JobId submit(
      List<TaskKind> kinds,
      List<TaskSpec> tasks,
      List<Input.Produced> results,
      Verification verification)
      throws Exception {
    JobSpec spec =
        new JobSpec(
            key.address(), ++nonce, "test", 0, 1_000_000_000L, kinds, tasks, results, verification);
    String signature =
        key.sign(
            Digests.order(
                pool.address(), key.address(), nonce, spec.budget(), JobCodec.specHash(spec)));
    CompletableFuture<Proto.SubmitReply> reply = new CompletableFuture<>();
    StreamObserver<Proto.SubmitPart> parts =
        with(JobsGrpc.newStub(channel), token)
            .submit(
                new StreamObserver<>() {
                  @Override
                  public void onNext(Proto.SubmitReply r) {
                    reply.complete(r);
                  }

                  @Override
                  public void onError(Throwable t) {
                    reply.completeExceptionally(t);
                  }

                  @Override
                  public void onCompleted() {}
                });
    Translation.write(spec, signature).forEach(parts::onNext);
    parts.onCompleted();
    Proto.SubmitReply r = reply.get(20, TimeUnit.SECONDS);
    if (r.hasRefusal()) {
      throw new AssertionError("refused: " + r.getRefusal());
    }
    return Translation.job(r.getJob(), "job");
  }

  /// Follows the job until its progress is as wanted.
  Proto.JobProgress await(JobId job, Predicate<Proto.JobProgress> wanted) {
    Proto.WatchRequest request =
        Proto.WatchRequest.newBuilder().setJob(Translation.bytes(job)).build();
    // What is not heard to its end is hung up, or the pool waits for it when it closes.
    try (Context.CancellableContext call = Context.current().withCancellation()) {
      Context before = call.attach();
      try {
        Iterator<Proto.JobProgress> all =
            jobs.withDeadlineAfter(60, TimeUnit.SECONDS).watch(request);
        Proto.JobProgress last = Proto.JobProgress.getDefaultInstance();
        while (all.hasNext()) {
          last = all.next();
          if (wanted.test(last)) {
            return last;
          }
        }
        return last;
      } finally {
        call.detach(before);
      }
    }
  }

  /// Follows the job to its end.
  Proto.JobProgress end(JobId job) {
    return await(job, p -> false);
  }

  void cancel(JobId job) {
    Proto.CancelReply r =
        jobs.cancel(Proto.CancelRequest.newBuilder().setJob(Translation.bytes(job)).build());
    if (r.hasRefusal()) {
      throw new AssertionError("refused: " + r.getRefusal());
    }
  }

  List<Proto.ProviderView> providers() {
    return jobs.listProviders(Proto.ListProvidersRequest.getDefaultInstance()).getProvidersList();
  }

  Proto.WhyReply why(Address provider) {
    return jobs.why(Proto.WhyRequest.newBuilder().setProvider(Translation.bytes(provider)).build());
  }

  List<Entry> records(JobId job) {
    List<Entry> entries = new ArrayList<>();
    jobs.withDeadlineAfter(20, TimeUnit.SECONDS)
        .records(Proto.RecordsRequest.newBuilder().setJob(Translation.bytes(job)).build())
        .forEachRemaining(part ->
            part.getEntriesList().forEach(e -> entries.add(EntryCodec.decode(e.toByteArray()))));
    return entries;
  }

  /// The bytes of a result.
  byte[] result(JobId job, int index) throws Exception {
    Proto.ResultsReply r =
        jobs.results(Proto.ResultsRequest.newBuilder().setJob(Translation.bytes(job)).build());
    Blob blob = Translation.read(r.getOutputs(index).getBlob(), "result");
    var file = java.nio.file.Files.createTempDirectory("result").resolve("blob");
    transfer.fetch(blob, file);
    byte[] bytes = java.nio.file.Files.readAllBytes(file);
    java.nio.file.Files.delete(file);
    java.nio.file.Files.delete(file.getParent());
    return bytes;
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }
}
