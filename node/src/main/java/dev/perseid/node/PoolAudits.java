package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.inference.Audit;
import dev.perseid.inference.AuditDraw;
import dev.perseid.inference.AuditPolicy;
import dev.perseid.inference.Baseline;
import dev.perseid.inference.Claim;
import dev.perseid.inference.LanguageModel;
import dev.perseid.inference.Logits;
import dev.perseid.inference.ModelFile;
import dev.perseid.inference.ModelFileException;
import dev.perseid.inference.Request;
import dev.perseid.inference.Suspicion;
import dev.perseid.inference.Transcript;
import dev.perseid.inference.TranscriptReader;
import dev.perseid.inference.Verdict;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ConcurrentHashMap;

/// Reads some of the answers of language models again, with the pool's own copy of the weights, to
/// find providers that serve another model than they sell or count what was not there
/// (docs/audits.md). Which ones is drawn by a secret after the answer is complete, so that an
/// audited request is an ordinary one. In the background, one at a time; when too many wait, the
/// newest are left out.
///
/// What is known of providers is in memory only: after a restart they are newcomers again.
final class PoolAudits implements Closeable {
  /// Whom an answer is held against.
  private record Suspect(Address provider, Hash model) {}

  /// An answered request.
  static final class Answered {
    private final Model model;
    private final ModelOffer offer;
    private final Request request;
    private final List<byte[]> parts;
    private final Claim claim;
    private final Suspect suspect;

    /// @param parts of the answer, as they came; not changed any more
    Answered(Model model, ModelOffer offer, Request request, List<byte[]> parts, Claim claim) {
      this.model = model;
      this.offer = offer;
      this.request = request;
      this.parts = parts;
      this.claim = claim;
      this.suspect = new Suspect(offer.provider(), offer.model());
    }
  }

  /// A model that answers can be read with.
  private static final class Reference implements Logits {
    /// How a transcript must be read.
    private record Manner(int contextTokens, boolean ours) {}

    final LanguageModel model;
    private final Map<Manner, TranscriptReader> readers = new HashMap<>();

    Reference(LanguageModel model) {
      this.model = model;
    }

    TranscriptReader reader(ModelOffer offer) {
      int context = offer.contextTokens() > 0 ? offer.contextTokens() : model.context();
      if (readers.size() > MarketLimits.AUDIT_READERS) {
        readers.clear();
      }
      // Another engine draws its tokens by another rule, even with the same seed.
      return readers.computeIfAbsent(
          new Manner(context, offer.backend().startsWith(LanguageModel.ENGINE)),
          m -> new TranscriptReader(model.tokens(), m.contextTokens, m.ours));
    }

    @Override
    public int vocabulary() {
      return model.vocabulary();
    }

    @Override
    public void read(int[] prompt, int[] continuation, Row row) {
      model.teach(prompt, continuation, row::at);
    }
  }

  private final BlobStore blobs;
  private final AuditPolicy policy;
  private final AuditDraw draw;
  private final ArrayBlockingQueue<Answered> jobs =
      new ArrayBlockingQueue<>(MarketLimits.WAITING_AUDITS);
  private final Map<Suspect, Suspicion> suspicions = new ConcurrentHashMap<>();
  private final LinkedHashMap<Hash, Optional<Reference>> references =
      new LinkedHashMap<>(16, 0.75f, true);
  private final Thread thread;
  private volatile boolean closing;

  /// @param secret decides which answers are audited
  PoolAudits(BlobStore blobs, AuditPolicy policy, Hash secret) {
    this.blobs = blobs;
    this.policy = policy;
    this.draw = new AuditDraw(secret);
    this.thread = Thread.ofPlatform().name("audits").daemon().unstarted(this::run);
    thread.start();
  }

  /// Whether answers under this offer can be audited: the pool must have the weights, and the
  /// provider must say that it computes them with this project's engine. What another engine
  /// computes differs by rounding alone, for which no baseline was measured.
  static boolean canAudit(Model model, ModelOffer offer) {
    return model.format().equals("gguf") && offer.backend().startsWith(LanguageModel.ENGINE);
  }

  /// What is known of a provider's serving of a model.
  Verdict verdict(Address provider, Hash model) {
    return suspicion(new Suspect(provider, model)).verdict();
  }

  private Suspicion suspicion(Suspect suspect) {
    return suspicions.getOrDefault(suspect, Suspicion.fresh(Baseline.USUAL));
  }

  /// A chat was answered to its end. Never blocks; when more is answered than can be read, the rest
  /// are as good a sample.
  void answered(Answered a) {
    boolean drawn =
        draw.check(a.request.id(), policy, suspicion(a.suspect).verdict()) == AuditDraw.Check.READ;
    if (drawn && suspicions.size() < MarketLimits.SUSPECTS) {
      boolean _ = jobs.offer(a);
    }
  }

  private void run() {
    while (!closing) {
      try {
        audit(jobs.take());
      } catch (InterruptedException e) {
        return;
      } catch (RuntimeException e) {
        System.getLogger(PoolAudits.class.getName())
            .log(System.Logger.Level.ERROR, "an audit failed", e);
      }
    }
  }

  private void audit(Answered job) {
    Optional<Reference> reference = reference(job.model);
    if (reference.isEmpty()) {
      return;
    }
    Optional<byte[]> answer =
        job.request.stream() ? WholeAnswer.of(job.parts) : job.parts.stream().findFirst();
    Optional<Transcript> transcript =
        answer.flatMap(a ->
            reference
                .get()
                .reader(job.offer)
                .read(job.request.id(), job.request.body(), a, job.claim));
    if (transcript.isEmpty()
        || transcript.get().prompt().length + transcript.get().output().length
            > reference.get().model.context()) {
      return;
    }
    Suspicion before = suspicion(job.suspect);
    Suspicion after = before.with(Audit.check(transcript.get(), reference.get()));
    suspicions.put(job.suspect, after);
    Verdict verdict = after.verdict();
    if (verdict.decision() == Verdict.Decision.CHEATING
        && before.verdict().decision() != Verdict.Decision.CHEATING) {
      System.getLogger(PoolAudits.class.getName())
          .log(
              System.Logger.Level.WARNING,
              "provider "
                  + job.suspect.provider()
                  + " does not serve "
                  + job.model.fullName()
                  + " as it sells it and gets no more requests for it: "
                  + verdict.why());
    }
  }

  private Optional<Reference> reference(Model model) {
    Optional<Reference> known = references.get(model.manifest());
    if (known == null) {
      known = load(model);
      references.put(model.manifest(), known);
      if (references.size() > MarketLimits.AUDIT_MODELS) {
        references.pollFirstEntry().getValue().ifPresent(r -> r.model.close());
      }
    }
    return known;
  }

  private Optional<Reference> load(Model model) {
    try {
      List<ModelFiles.File> files = ModelFiles.read(blobs, model.manifest());
      for (ModelFiles.File file : files) {
        if (file.mediaType().equals(ModelFile.GGUF)) {
          Path path = blobs.path(file.blob().hash()).orElse(Path.of(""));
          if (!Files.isRegularFile(path) || Files.size(path) > MarketLimits.AUDIT_MODEL_BYTES) {
            return Optional.empty();
          }
          return Optional.of(
              new Reference(LanguageModel.load(path, new LanguageModel.Options(1, 0, 1, 0, 0))));
        }
      }
      return Optional.empty();
    } catch (ModelFiles.Wrong | ModelFileException | IOException | IllegalArgumentException e) {
      System.getLogger(PoolAudits.class.getName())
          .log(
              System.Logger.Level.WARNING,
              model.fullName() + " cannot be audited here: " + e.getMessage());
      return Optional.empty();
    }
  }

  @Override
  public void close() {
    closing = true;
    thread.interrupt();
  }
}
