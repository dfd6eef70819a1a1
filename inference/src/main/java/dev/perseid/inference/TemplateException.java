package dev.perseid.inference;

/// A chat template is none, or refuses the messages; the message says why.
class TemplateException extends Exception {
  private static final long serialVersionUID = 1L;

  TemplateException(String message) {
    super(message);
  }
}
