package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Folders as programs may leave them. Who runs this as root is kept out by no rights, so only
/// others see those matter.
class FoldersTest {
  private static final int LEVELS = 3_000;

  @TempDir Path folder;

  private static void rights(Path of, String rights) throws IOException {
    Files.setPosixFilePermissions(of, PosixFilePermissions.fromString(rights));
  }

  /// A chain of folders each in the other, far longer than a path may be, built from its end.
  private Path chain(int levels, String rights) throws IOException {
    Path chain = Files.createDirectory(folder.resolve("0"));
    Files.writeString(chain.resolve("file"), "end");
    for (int i = 1; i < levels; i++) {
      Path outer = Files.createDirectory(folder.resolve(Integer.toString(i)));
      Path inner = outer.resolve("d");
      Files.move(chain, inner);
      Files.writeString(outer.resolve("file"), "x");
      rights(inner, rights);
      chain = outer;
    }
    return chain;
  }

  @Test
  void foldersNestedDeeperThanAPathIsLongAreDeleted() throws IOException {
    Folders.delete(chain(LEVELS, "rwxr-xr-x"));
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void foldersThatNobodyMayChangeAreDeleted() throws IOException {
    for (String rights : new String[] {"---------", "r--------", "r-xr-xr-x", "-wx------"}) {
      Path chain = chain(200, rights);
      rights(chain, rights);
      Folders.delete(chain);
      assertThat(folder).as(rights).isEmptyDirectory();
    }
  }

  @Test
  void linksAreDeletedAndNotFollowed() throws IOException {
    Path kept = Files.createDirectories(folder.resolve("kept/inner"));
    Files.writeString(kept.resolve("file"), "x");
    Path gone = Files.createDirectories(folder.resolve("gone/a/b/c")).resolve("../../..");
    for (String at : new String[] {"up", "a/up", "a/b/up", "a/b/c/up"}) {
      Files.createSymbolicLink(gone.resolve(at), folder.resolve("kept"));
    }
    Folders.delete(folder.resolve("gone"));
    assertThat(folder.resolve("gone")).doesNotExist();
    assertThat(kept.resolve("file")).hasContent("x");
    Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("kept"));
    Folders.delete(link);
    assertThat(Files.list(folder)).containsExactly(folder.resolve("kept"));
    assertThat(kept.resolve("file")).hasContent("x");
    Folders.delete(folder.resolve("nothing"));
  }

  @Test
  void namesThatTheDeletingTakesAreNoObstacle() throws IOException {
    for (int i = 0; i < 300; i++) {
      Files.createDirectories(folder.resolve("gone/" + i % 3 + "/" + i + "/same/same"));
      Files.writeString(folder.resolve("gone/" + i % 3 + "/" + i + "/same/file"), "x");
    }
    Folders.delete(folder.resolve("gone"));
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void whatCannotBeCountedIsToldAndAtTheEndItIsCounted() throws IOException {
    Path chain = chain(Limits.NATIVE_DEPTH, "---------");
    boolean root = Files.isReadable(chain.resolve("d"));
    Folders.Size running = Folders.size(chain, false);
    assertThat(running.hidden()).isNotEqualTo(root);
    assertThat(running.deep()).isFalse();
    Folders.Size ended = Folders.size(chain, true);
    assertThat(ended.hidden()).isFalse();
    assertThat(ended.deep()).isFalse();
    assertThat(ended.bytes()).isEqualTo(Limits.NATIVE_DEPTH - 1 + 3);
    Folders.delete(chain);
    Path deeper = chain(Limits.NATIVE_DEPTH + 1, "rwxr-xr-x");
    assertThat(Folders.size(deeper, false).deep()).isTrue();
    Path deepest = folder.resolve("deepest");
    Files.move(deeper, deepest);
    assertThat(Folders.size(deepest, true).deep()).isTrue();
    Folders.delete(deepest);
  }
}
