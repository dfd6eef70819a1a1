;; Reads its arguments to a pointer that is negative when signed.
(module (import "perseid" "args_read" (func $r (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "step") (result i32) (drop (call $r (i32.const -4) (i32.const 0) (i32.const 8))) (i32.const 1)))
