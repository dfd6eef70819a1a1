package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.JobCodec;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Channels;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.ModelsGrpc;
import dev.perseid.wire.v1.Proto;
import dev.perseid.wire.v1.ProvidersGrpc;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.X509TrustManager;

/// A hand-written client for the tests: one key, one role, one channel, nothing hidden.
final class PoolCaller implements AutoCloseable {
  final Key key;
  final int port;
  final ManagedChannel channel;
  final dev.perseid.core.Address pool;
  final String token;
  private final HttpClient http = HttpClient.newHttpClient();

  PoolCaller(int port, Key key, String role) throws Exception {
    this(port, key, role, Optional.empty());
  }

  PoolCaller(int port, Key key, String role, Optional<X509TrustManager> trust) throws Exception {
    this.port = port;
    this.key = key;
    this.channel = Channels.open("127.0.0.1", port, trust);
    this.pool =
        Translation.address(
            identity().about(Proto.AboutRequest.getDefaultInstance()).getPool(), "pool");
    Hash nonce = nonce();
    try {
      this.token =
          login(role, nonce, key.sign(Digests.login(pool, key.address(), role, nonce))).getToken();
    } catch (RuntimeException e) {
      channel.shutdownNow();
      throw e;
    }
  }

  /// Without logging in.
  PoolCaller(int port, Key key) throws Exception {
    this.port = port;
    this.key = key;
    this.channel = Channels.open("127.0.0.1", port, Optional.empty());
    this.pool =
        Translation.address(
            identity().about(Proto.AboutRequest.getDefaultInstance()).getPool(), "pool");
    this.token = "";
  }

  IdentityGrpc.IdentityBlockingStub identity() {
    return IdentityGrpc.newBlockingStub(channel).withDeadlineAfter(20, TimeUnit.SECONDS);
  }

  Hash nonce() throws Exception {
    return Translation.hash(
        identity()
            .challenge(
                Proto.ChallengeRequest.newBuilder()
                    .setCaller(Translation.bytes(key.address()))
                    .build())
            .getNonce(),
        "nonce");
  }

  Proto.LoginReply login(String role, Hash nonce, String signature) {
    return identity()
        .login(
            Proto.LoginRequest.newBuilder()
                .setCaller(Translation.bytes(key.address()))
                .setNonce(Translation.bytes(nonce))
                .setRole(role)
                .setSignature(Translation.signature(signature))
                .build());
  }

  ClientInterceptor bearer() {
    return bearer(token);
  }

  static ClientInterceptor bearer(String token) {
    Metadata m = new Metadata();
    m.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    return MetadataUtils.newAttachHeadersInterceptor(m);
  }

  Channel channelWithToken() {
    return ClientInterceptors.intercept(channel, bearer());
  }

  ModelsGrpc.ModelsBlockingStub models() {
    return ModelsGrpc.newBlockingStub(channelWithToken()).withDeadlineAfter(30, TimeUnit.SECONDS);
  }

  JobsGrpc.JobsBlockingStub jobs() {
    return JobsGrpc.newBlockingStub(channel)
        .withInterceptors(bearer())
        .withDeadlineAfter(30, TimeUnit.SECONDS);
  }

  JobsGrpc.JobsStub asyncJobs() {
    return JobsGrpc.newStub(channel).withInterceptors(bearer());
  }

  ProvidersGrpc.ProvidersStub providers() {
    return ProvidersGrpc.newStub(channel).withInterceptors(bearer());
  }

  Proto.SubmitReply submit(JobSpec job) throws Exception {
    return submit(
        job,
        key.sign(
            Digests.order(
                pool, job.consumer(), job.nonce(), job.budget(), JobCodec.specHash(job))));
  }

  Proto.SubmitReply submit(JobSpec job, String signature) throws Exception {
    CompletableFuture<Proto.SubmitReply> reply = new CompletableFuture<>();
    StreamObserver<Proto.SubmitPart> parts =
        JobsGrpc.newStub(channel).withInterceptors(bearer()).submit(new One<>(reply));
    for (Proto.SubmitPart part : Translation.write(job, signature)) {
      parts.onNext(part);
    }
    parts.onCompleted();
    return reply.get(30, TimeUnit.SECONDS);
  }

  JobId accepted(JobSpec job) throws Exception {
    Proto.SubmitReply reply = submit(job);
    if (reply.hasRefusal()) {
      throw new AssertionError("refused: " + reply.getRefusal());
    }
    return Translation.job(reply.getJob(), "job");
  }

  /// Watches to the end.
  Proto.JobProgress finished(JobId job) {
    Proto.JobProgress last = Proto.JobProgress.getDefaultInstance();
    var states =
        jobs().watch(Proto.WatchRequest.newBuilder().setJob(Translation.bytes(job)).build());
    while (states.hasNext()) {
      last = states.next();
    }
    return last;
  }

  HttpRequest.Builder blob(Hash hash, String query) {
    return HttpRequest.newBuilder(
            URI.create("http://127.0.0.1:" + port + "/v1/blobs/" + hash.hex() + query))
        .header("Authorization", "Bearer " + token);
  }

  HttpResponse<byte[]> send(HttpRequest.Builder request) throws Exception {
    return http.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
  }

  Blob put(byte[] bytes) throws Exception {
    Blob blob = new Blob(Hash.sha256(bytes), bytes.length);
    HttpResponse<byte[]> reply =
        send(blob(blob.hash(), "").PUT(HttpRequest.BodyPublishers.ofByteArray(bytes)));
    if (reply.statusCode() != 201) {
      throw new AssertionError("PUT: " + reply.statusCode() + " " + new String(reply.body()));
    }
    return blob;
  }

  @Override
  public void close() {
    channel.shutdownNow();
    http.shutdownNow();
  }

  /// Takes the one answer of a call.
  record One<T>(CompletableFuture<T> answer) implements StreamObserver<T> {
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
      answer.completeExceptionally(new AssertionError("no answer"));
    }
  }
}
