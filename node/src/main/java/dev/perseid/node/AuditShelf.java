package dev.perseid.node;

import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.inference.GgufTokens;
import dev.perseid.inference.LanguageModel;
import dev.perseid.inference.Logits;
import dev.perseid.inference.ModelFile;
import dev.perseid.inference.ModelFileException;
import dev.perseid.inference.TranscriptReader;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The pool's own copies of weights, loaded where they are small enough, and what makes transcripts
/// of answers. Belongs to one thread.
final class AuditShelf implements Closeable {
  /// A model that answers can be read with.
  record Reference(LanguageModel model) implements Logits {
    @Override
    public int vocabulary() {
      return model.vocabulary();
    }

    @Override
    public void read(int[] prompt, int[] continuation, Row row) {
      model.teach(prompt, continuation, row::at);
    }
  }

  /// How a transcript must be read.
  private record Manner(Hash model, int contextTokens, boolean ours) {}

  private final BlobStore blobs;
  private final long mostBytes;
  private final LinkedHashMap<Hash, Optional<Reference>> references =
      new LinkedHashMap<>(16, 0.75f, true);
  private final Map<Manner, TranscriptReader> readers = new HashMap<>();

  /// @param mostBytes the largest file of weights that is loaded
  AuditShelf(BlobStore blobs, long mostBytes) {
    this.blobs = blobs;
    this.mostBytes = mostBytes;
  }

  /// What makes transcripts of answers under this offer.
  TranscriptReader reader(Model model, ModelOffer offer, GgufTokens tokens) {
    int context = offer.contextTokens() > 0 ? offer.contextTokens() : model.contextTokens();
    if (readers.size() > MarketLimits.AUDIT_READERS) {
      readers.clear();
    }
    // Another engine draws its tokens by another rule, even with the same seed.
    return readers.computeIfAbsent(
        new Manner(
            model.manifest(),
            context > 0 ? context : Integer.MAX_VALUE,
            offer.backend().startsWith(LanguageModel.ENGINE)),
        m -> new TranscriptReader(tokens, m.contextTokens, m.ours));
  }

  /// The pool's own copy of a model, if it has one that it may load.
  Optional<Reference> reference(Model model) {
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
          if (!Files.isRegularFile(path) || Files.size(path) > mostBytes) {
            return Optional.empty();
          }
          return Optional.of(
              new Reference(LanguageModel.load(path, new LanguageModel.Options(1, 0, 1, 0, 0))));
        }
      }
      return Optional.empty();
    } catch (ModelFiles.Wrong | ModelFileException | IOException | IllegalArgumentException e) {
      System.getLogger(AuditShelf.class.getName())
          .log(
              System.Logger.Level.WARNING,
              model.fullName() + " cannot be read by this pool itself: " + e.getMessage());
      return Optional.empty();
    }
  }

  @Override
  public void close() {
    references.values().forEach(r -> r.ifPresent(one -> one.model.close()));
    references.clear();
  }
}
