package dev.perseid.node;

import dev.perseid.core.Model;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Api;
import dev.perseid.inference.Failure;
import dev.perseid.inference.ModelSignature;
import dev.perseid.inference.Request;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.OpenInference;
import dev.perseid.wire.v1.GRPCInferenceServiceGrpc;
import dev.perseid.wire.v1.OpenInferenceProto.ModelInferRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ModelInferResponse;
import dev.perseid.wire.v1.OpenInferenceProto.ModelMetadataRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ModelMetadataResponse;
import dev.perseid.wire.v1.OpenInferenceProto.ModelReadyRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ModelReadyResponse;
import dev.perseid.wire.v1.OpenInferenceProto.ServerLiveRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ServerLiveResponse;
import dev.perseid.wire.v1.OpenInferenceProto.ServerMetadataRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ServerMetadataResponse;
import dev.perseid.wire.v1.OpenInferenceProto.ServerReadyRequest;
import dev.perseid.wire.v1.OpenInferenceProto.ServerReadyResponse;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// The Open Inference Protocol over gRPC (KServe), on the pool's port, for whoever shows an API key
/// as `authorization: Bearer KEY`, or a session's token, or signs each request. The cheapest
/// provider that is well is asked, and the next one if it fails; over HTTP the gateway has more
/// ways of choosing.
final class PoolOpenInference extends GRPCInferenceServiceGrpc.GRPCInferenceServiceImplBase {
  private final Market market;
  private final String version;

  PoolOpenInference(Market market, String version) {
    this.market = market;
    this.version = version;
  }

  private interface Work<T> {
    T run(Market.Caller caller) throws Malformed;
  }

  private <T> void serve(StreamObserver<T> out, Work<T> work) {
    try {
      T answer = work.run(PoolServer.CALLER.get().asCaller());
      out.onNext(answer);
      out.onCompleted();
    } catch (Malformed e) {
      out.onError(PoolJobs.invalid(e));
    } catch (StatusRuntimeException e) {
      out.onError(e);
    } catch (RuntimeException e) {
      System.getLogger(PoolOpenInference.class.getName()).log(System.Logger.Level.ERROR, "bug", e);
      out.onError(
          Status.INTERNAL
              .withDescription("a bug in the pool; its operator's log has more")
              .asRuntimeException());
    }
  }

  @Override
  public void serverLive(ServerLiveRequest request, StreamObserver<ServerLiveResponse> out) {
    serve(out, _ -> ServerLiveResponse.newBuilder().setLive(true).build());
  }

  @Override
  public void serverReady(ServerReadyRequest request, StreamObserver<ServerReadyResponse> out) {
    serve(out, _ -> ServerReadyResponse.newBuilder().setReady(true).build());
  }

  @Override
  public void serverMetadata(
      ServerMetadataRequest request, StreamObserver<ServerMetadataResponse> out) {
    serve(
        out,
        _ -> ServerMetadataResponse.newBuilder().setName("perseid").setVersion(version).build());
  }

  @Override
  public void modelReady(ModelReadyRequest request, StreamObserver<ModelReadyResponse> out) {
    serve(
        out,
        _ ->
            ModelReadyResponse.newBuilder()
                .setReady(
                    !ready(model(request.getName(), request.getVersion()).model(), false).isEmpty())
                .build());
  }

  @Override
  public void modelMetadata(
      ModelMetadataRequest request, StreamObserver<ModelMetadataResponse> out) {
    serve(
        out,
        _ -> {
          Found found = model(request.getName(), request.getVersion());
          ModelMetadataResponse.Builder reply =
              ModelMetadataResponse.newBuilder()
                  .setName(found.model().name())
                  .addAllVersions(found.versions())
                  .setPlatform(
                      found.model().format().equals("onnx")
                          ? "onnxruntime_onnx"
                          : found.model().format());
          market
              .signature(found.model().manifest())
              .ifPresent(s -> {
                s.inputs().forEach(t -> reply.addInputs(tensor(t)));
                s.outputs().forEach(t -> reply.addOutputs(tensor(t)));
              });
          return reply.build();
        });
  }

  private static ModelMetadataResponse.TensorMetadata tensor(ModelSignature.Tensor t) {
    return ModelMetadataResponse.TensorMetadata.newBuilder()
        .setName(t.name())
        .setDatatype(t.datatype())
        .addAllShape(t.shape())
        .build();
  }

  @Override
  public void modelInfer(ModelInferRequest request, StreamObserver<ModelInferResponse> out) {
    serve(
        out,
        caller -> {
          Found found = model(request.getModelName(), request.getModelVersion());
          if (!caller.rights().mayAsk(found.model().name())) {
            throw Status.PERMISSION_DENIED
                .withDescription("this key may not ask " + found.model().name())
                .asRuntimeException();
          }
          byte[] body = OpenInference.json(request);
          boolean raw = request.getRawInputContentsCount() > 0;
          Failure last =
              new Failure(
                  Failure.Kind.BUSY,
                  "nobody serves " + found.model().fullName() + " at the moment");
          for (Market.Listing listing : ready(found.model(), true)) {
            Heard heard = ask(caller, listing, found.model(), body);
            if (heard instanceof Heard.Answer answer) {
              return OpenInference.response(answer.json(), raw);
            }
            last = ((Heard.Failed) heard).failure();
            if (last.kind() == Failure.Kind.INVALID || last.kind() == Failure.Kind.REFUSED) {
              break;
            }
          }
          throw status(last);
        });
  }

  /// A model and the versions of its name.
  private record Found(Model model, List<String> versions) {}

  private Found model(String name, String version) {
    Model found = null;
    List<String> versions = new ArrayList<>();
    for (Model m : market.catalog().models()) {
      if (m.name().equals(name)) {
        versions.add(m.version());
        if (version.isEmpty() || m.version().equals(version)) {
          found = m;
        }
      }
    }
    if (found == null) {
      throw Status.NOT_FOUND
          .withDescription(
              "there is no model '"
                  + InferenceParts.line(name, MarketLimits.SHOWN_CHARS)
                  + (version.isEmpty()
                      ? ""
                      : ":" + InferenceParts.line(version, MarketLimits.SHOWN_CHARS))
                  + "' in this pool: `perseid model list` shows those that there are")
          .asRuntimeException();
    }
    return new Found(found, versions);
  }

  /// Who can be asked now, the cheapest first.
  private List<Market.Listing> ready(Model model, boolean sorted) {
    List<Market.Listing> ready = new ArrayList<>();
    for (Market.Listing l : market.catalog().listings().getOrDefault(model.manifest(), List.of())) {
      if (l.live().reachable() && l.live().trust() > 0) {
        ready.add(l);
      }
    }
    if (sorted) {
      ready.sort(
          Comparator.comparingLong(
              l -> l.offer().price().perMillionRows() + l.offer().price().perMillionRequests()));
    }
    return ready;
  }

  /// What became of a request.
  private sealed interface Heard {
    /// It was answered.
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Answer(byte[] json) implements Heard {}

    /// It was not.
    record Failed(Failure failure) implements Heard {}
  }

  /// Asks one provider and waits: on the call's own thread, as [PoolJobs#watch].
  private Heard ask(Market.Caller caller, Market.Listing listing, Model model, byte[] body) {
    CompletableFuture<Heard> heard = new CompletableFuture<>();
    Market.Receiver receiver =
        new Market.Receiver() {
          private byte[] whole = {};

          @Override
          public void part(byte[] json) {
            whole = json;
          }

          @Override
          public void done(Market.Bill bill) {
            heard.complete(new Heard.Answer(whole));
          }

          @Override
          public void failed(Failure failure, Market.Bill bill) {
            heard.complete(new Heard.Failed(failure));
          }
        };
    Request request =
        new Request("oip-" + UUID.randomUUID(), Api.INFER, model.manifest(), body, false);
    return switch (market.ask(caller, listing, request, 0, receiver)) {
      case Market.Placed.Full(String message, long _) ->
          new Heard.Failed(new Failure(Failure.Kind.BUSY, message));
      case Market.Placed.Unpaid(String message) ->
          new Heard.Failed(new Failure(Failure.Kind.UNPAID, message));
      case Market.Placed.Running(Runnable cancel) -> {
        Context.CancellationListener hangUp = _ -> cancel.run();
        Context.current().addListener(hangUp, Runnable::run);
        try {
          yield heard.get(MarketLimits.INFER_MS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          cancel.run();
          yield new Heard.Failed(
              new Failure(Failure.Kind.TIMEOUT, "the provider did not answer in time"));
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          cancel.run();
          yield new Heard.Failed(new Failure(Failure.Kind.CANCELLED, "interrupted"));
        } catch (ExecutionException e) {
          throw new IllegalStateException("a receiver failed", e.getCause());
        } finally {
          Context.current().removeListener(hangUp);
        }
      }
    };
  }

  private static StatusRuntimeException status(Failure failure) {
    Status status =
        switch (failure.kind()) {
          case INVALID, TOO_LONG, REFUSED -> Status.INVALID_ARGUMENT;
          case BUSY -> Status.RESOURCE_EXHAUSTED;
          case BROKEN -> Status.UNAVAILABLE;
          case TIMEOUT -> Status.DEADLINE_EXCEEDED;
          case CANCELLED -> Status.CANCELLED;
          case UNPAID -> Status.FAILED_PRECONDITION;
        };
    return status.withDescription(failure.message()).asRuntimeException();
  }
}
