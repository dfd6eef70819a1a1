;; Writes an output from beyond its memory.
(module (import "perseid" "output_write" (func $w (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "step") (result i32) (drop (call $w (i32.const 0) (i32.const 65530) (i32.const 10))) (i32.const 1)))
