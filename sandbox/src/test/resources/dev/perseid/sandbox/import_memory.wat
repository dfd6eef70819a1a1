(module (import "perseid" "args_size" (memory 1)) (export "memory" (memory 0)) (func (export "step") (result i32) (i32.const 1)))
