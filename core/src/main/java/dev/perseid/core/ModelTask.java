package dev.perseid.core;

/// What a model is for, and with it which calls it answers.
public enum ModelTask {
  /// A language model: chat and completions.
  CHAT,
  /// Turns texts into vectors: embeddings.
  EMBED,
  /// Any other model, from tensors to tensors: the Open Inference Protocol.
  PREDICT
}
