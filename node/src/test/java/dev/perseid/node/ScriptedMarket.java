package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.InferenceGrpc;
import dev.perseid.wire.v1.ModelsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The pool's end of the protocol about models on loopback, saying what a test tells it to say.
final class ScriptedMarket implements AutoCloseable {
  static final Address CONSUMER = Address.parse("0x" + "44".repeat(20));

  final Key author = Key.generate();
  final List<Model> models = new CopyOnWriteArrayList<>();
  final LinkedBlockingQueue<Proto.FromServing> said = new LinkedBlockingQueue<>();

  /// Whether the pool reads what the provider says.
  volatile boolean reads = true;

  volatile int poolPermille = 50;
  private volatile @Nullable StreamObserver<Proto.ToServing> stream;
  private final Server server;
  private long orders;

  ScriptedMarket() throws IOException {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(new Models())
            .addService(new Inference())
            .maxInboundMessageSize(16 << 20)
            .build()
            .start();
  }

  ManagedChannel channel() {
    return NettyChannelBuilder.forAddress(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), server.getPort()))
        .usePlaintext()
        .build();
  }

  /// Lists a model.
  Model publish(String name, String format) {
    return publish(name, format, Hash.sha256(name.getBytes(StandardCharsets.UTF_8)));
  }

  Model publish(String name, String format, Hash manifest) {
    Model model =
        new Model(
            author.address(),
            name,
            "1",
            manifest,
            ModelTask.CHAT,
            format,
            "q8_0",
            1_000,
            4_096,
            "MIT",
            100,
            1);
    models.add(model);
    return model;
  }

  Proto.FromServing next() throws InterruptedException {
    Proto.FromServing m = said.poll(20, TimeUnit.SECONDS);
    if (m == null) {
      throw new AssertionError("the provider says nothing");
    }
    return m;
  }

  /// The next hello; health before it is passed over.
  Proto.ServingHello hello() throws InterruptedException {
    while (true) {
      Proto.FromServing m = next();
      if (m.hasHello()) {
        return m.getHello();
      }
    }
  }

  /// Answers the next hello.
  Proto.ServingHello welcome() throws InterruptedException {
    Proto.ServingHello hello = hello();
    send(
        Proto.ToServing.newBuilder().setWelcome(Proto.ServingWelcome.getDefaultInstance()).build());
    return hello;
  }

  /// Parts up to the end of an order; what belongs to others or is no part is passed over.
  List<Proto.AnswerPart> answer(long number) throws InterruptedException {
    List<Proto.AnswerPart> parts = new ArrayList<>();
    while (true) {
      for (Proto.AnswerPart part : next().getParts().getPartsList()) {
        if (part.getNumber() == number) {
          parts.add(part);
          if (part.hasEnd()) {
            return parts;
          }
        }
      }
    }
  }

  Proto.BillSignature signature() throws InterruptedException {
    while (true) {
      Proto.FromServing m = next();
      if (m.hasSignature()) {
        return m.getSignature();
      }
    }
  }

  Proto.ModelOrder.Builder order(Proto.ModelOffer offer, Hash offerHash) {
    long number = ++orders;
    return Proto.ModelOrder.newBuilder()
        .setNumber(number)
        .setRequestId("r" + number)
        .setConsumer(Translation.bytes(CONSUMER))
        .setOffer(Translation.bytes(offerHash))
        .setModel(offer.getModel())
        .setApi("chat")
        .setBody(ByteString.copyFromUtf8("{\"n\":" + number + "}"))
        .setStream(true)
        .setMaxTokens(1_000);
  }

  Proto.ModelOrder send(Proto.ModelOrder.Builder order) {
    Proto.ModelOrder built = order.build();
    send(Proto.ToServing.newBuilder().setOrder(built).build());
    return built;
  }

  void cancel(long number) {
    send(
        Proto.ToServing.newBuilder()
            .setCancel(Proto.CancelOrder.newBuilder().setNumber(number))
            .build());
  }

  void send(Proto.ToServing message) {
    StreamObserver<Proto.ToServing> out = stream;
    if (out == null) {
      throw new AssertionError("no provider is connected");
    }
    synchronized (out) {
      out.onNext(message);
    }
  }

  /// Ends the stream with an error.
  void cut() {
    StreamObserver<Proto.ToServing> out = stream;
    if (out != null) {
      out.onError(Status.UNAVAILABLE.withDescription("cut by the test").asRuntimeException());
    }
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  private final class Models extends ModelsGrpc.ModelsImplBase {
    @Override
    public void catalog(Proto.CatalogRequest q, StreamObserver<Proto.CatalogPart> out) {
      Proto.CatalogPart.Builder part =
          Proto.CatalogPart.newBuilder().setVersion(1).setPoolPermille(poolPermille);
      for (Model m : models) {
        part.addModels(
            Proto.ListedModel.newBuilder()
                .setModel(ModelParts.write(m))
                .setSignature(Translation.signature(author.sign(Digests.model(m)))));
      }
      out.onNext(part.build());
      out.onCompleted();
    }
  }

  private final class Inference extends InferenceGrpc.InferenceImplBase {
    @Override
    public StreamObserver<Proto.FromServing> serve(StreamObserver<Proto.ToServing> out) {
      ServerCallStreamObserver<Proto.ToServing> call =
          (ServerCallStreamObserver<Proto.ToServing>) out;
      call.disableAutoRequest();
      call.request(2); // hello and health
      call.setOnCancelHandler(() -> {});
      stream = out;
      return new StreamObserver<>() {
        @Override
        public void onNext(Proto.FromServing m) {
          said.add(m);
          if (reads) {
            call.request(1);
          }
        }

        @Override
        public void onError(Throwable t) {}

        @Override
        public void onCompleted() {
          out.onCompleted();
        }
      };
    }
  }
}
