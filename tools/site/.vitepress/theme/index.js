import DefaultTheme from 'vitepress/theme'
import Drawing from './drawing.vue'

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component('Drawing', Drawing)
  }
}
