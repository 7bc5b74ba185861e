// Evaluates a Jenkinsfile as Groovy and prints the script of each `sh` step, with NUL between them.
class Steps {
    List<String> scripts = []

    def methodMissing(String name, Object args) {
        if (name == 'sh') {
            scripts << args[0].toString()
        }
        args.findAll { it instanceof Closure }.each { block ->
            block.delegate = this
            block.resolveStrategy = Closure.DELEGATE_FIRST
            block()
        }
        args ? args[0] : null
    }

    // `agent any`
    def propertyMissing(String name) { name }

    // `environment { NAME = 'value' }`
    def propertyMissing(String name, Object value) { }
}

def steps = new Steps()
new GroovyShell(new Binding(steps: steps)).evaluate("steps.with {\n${new File(args[0]).text}\n}")
print steps.scripts.join('\0')
